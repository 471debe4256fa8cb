"""The Pod Security Standard "restricted", as a judge of pod specs.

https://kubernetes.io/docs/concepts/security/pod-security-standards/ (baseline included).
"""

from collections.abc import Iterator, Mapping
from typing import Any

Manifest = Mapping[str, Any]
_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_PROFILES = {"RuntimeDefault", "Localhost"}
_HOST = ("hostNetwork", "hostPID", "hostIPC", "hostProcess")


def violations(pod: Manifest) -> list[str]:
    """Say what the standard forbids in a pod's spec."""
    return [*_of_the_pod(pod), *(each for one in _containers(pod) for each in _of(one, pod))]


def _containers(pod: Manifest) -> Iterator[Manifest]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod.get(kind, [])


def _of_the_pod(pod: Manifest) -> Iterator[str]:
    yield from (key for key in _HOST if pod.get(key))
    for volume in pod.get("volumes", []):
        yield from (f"volume of type {kind}" for kind in volume.keys() - {"name"} - _VOLUMES)
    context = pod.get("securityContext", {})
    if context.get("sysctls"):
        yield "sysctls"
    yield from _of_a_context(context, "pod")


def _of(container: Manifest, pod: Manifest) -> Iterator[str]:
    name, context = container["name"], container.get("securityContext", {})
    effective = {**pod.get("securityContext", {}), **context}
    if effective.get("runAsNonRoot") is not True:
        yield f"{name}: runAsNonRoot"
    if effective.get("seccompProfile", {}).get("type") not in _PROFILES:
        yield f"{name}: seccompProfile"
    if context.get("allowPrivilegeEscalation") is not False:
        yield f"{name}: allowPrivilegeEscalation"
    capabilities = context.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield f"{name}: capabilities.drop"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield f"{name}: capabilities.add"
    if context.get("privileged"):
        yield f"{name}: privileged"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield f"{name}: hostPort"
    yield from _of_a_context(context, name)


def _of_a_context(context: Manifest, name: str) -> Iterator[str]:
    if context.get("runAsUser") == 0:
        yield f"{name}: runAsUser"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield f"{name}: hostProcess"
    if context.get("procMount", "Default") != "Default":
        yield f"{name}: procMount"
    if context.get("appArmorProfile", {}).get("type", "RuntimeDefault") == "Unconfined":
        yield f"{name}: appArmorProfile"
    if context.get("seLinuxOptions", {}).keys() & {"user", "role"}:
        yield f"{name}: seLinuxOptions"
