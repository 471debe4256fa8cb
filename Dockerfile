# The exporter's image. It needs no shell, no HOME and no place to write to, and runs as any user. `make image` builds it.

# Another base will do that has python3 (3.11 or newer, with its module venv) in PATH.
ARG BASE=docker.io/library/python:3.13-slim-trixie
# What macie_exporter_build_info and the labels tell.
ARG VERSION=0.1.0
ARG REVISION=unknown

# The exporter and its packages, at the place where they will be.
FROM ${BASE} AS installed
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/install.py requirements/build.txt requirements/runtime.txt requirements/
# Nothing is compiled, so that no compiler is needed.
RUN python3 -m venv /build && \
    /build/bin/python3 requirements/install.py requirements/build.txt && \
    python3 -m venv --without-pip /opt/exporter && \
    /build/bin/python3 requirements/install.py --python /opt/exporter/bin/python3 requirements/runtime.txt
# botocore describes 400 services in 28 MB. Kept are those that the exporter calls, and those that botocore itself calls
# for credentials: sso, sso-oidc, signin. boto3's descriptions are of resources, which the exporter does not use.
RUN packages=$(/opt/exporter/bin/python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
    find "$packages/botocore/data" -mindepth 1 -maxdepth 1 -type d \
        ! -name account ! -name macie2 ! -name organizations ! -name sts \
        ! -name signin ! -name sso ! -name sso-oidc \
        -exec rm -r {} + && \
    rm -r "$packages/boto3/data" "$packages/boto3/examples"
COPY LICENSE README.md pyproject.toml ./
COPY exporter exporter
ARG VERSION
ARG REVISION
# The version goes into the source, so that all that tells it tells the same.
RUN if [ "$(/build/bin/hatchling version)" != "$VERSION" ]; then /build/bin/hatchling version --force "$VERSION"; fi && \
    echo "$REVISION" >exporter/REVISION && \
    /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . && \
    /build/bin/pip --python /opt/exporter/bin/python3 install --no-compile --no-deps /wheel/*.whl && \
    # Nothing can write bytecode later. It is not checked against files that cannot change, nor against their dates,
    # which may change on the way to a node.
    python3 -m compileall -q -f -j 0 --invalidation-mode unchecked-hash /opt/exporter/lib

FROM ${BASE}
# The base's pip goes: nobody installs packages here. Its standard library comes without bytecode and would be compiled
# at every start.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip \
        /usr/lib/python3*/ensurepip /usr/share/python-wheels && \
    python3 -m compileall -q -f -j 0 --invalidation-mode unchecked-hash \
        -x '/(idlelib|pydoc_data|tkinter|turtledemo)/' \
        "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
ENV PATH=/opt/exporter/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1
# By number: of a name Kubernetes cannot tell that it is not root's.
USER 65532:65532
EXPOSE 10058
ENTRYPOINT ["macie-invitations-exporter"]
ARG BASE
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="macie-invitations-exporter" \
      org.opencontainers.image.description="Prometheus exporter for the Amazon Macie invitations that AWS accounts have received." \
      org.opencontainers.image.url="https://github.com/macie-invitations-exporter/macie-invitations-exporter" \
      org.opencontainers.image.source="https://github.com/macie-invitations-exporter/macie-invitations-exporter" \
      org.opencontainers.image.documentation="https://github.com/macie-invitations-exporter/macie-invitations-exporter#readme" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=installed /opt/exporter /opt/exporter
