"""What browsers are told about answers, whoever makes them."""

from collections.abc import Mapping


def content_security_policy(*, forms: str) -> str:
    """Return the policy: nothing from elsewhere, in no frame, no script or style in a page itself.

    `forms` says where forms may be sent, as the policy writes it: `'self'` or `'none'`.
    """
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self'; form-action {forms}; base-uri 'none'; frame-ancestors 'none'"
    )


DEFAULT_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": content_security_policy(forms="'none'"),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "deny",
}
"""What every answer has, unless a page or the web file says otherwise."""
