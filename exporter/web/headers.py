"""What browsers are told about answers, whoever makes them."""


def content_security_policy(*, forms: str) -> str:
    """Return the policy: nothing from elsewhere, in no frame, no script or style in a page itself.

    `forms` says where forms may be sent, as the policy writes it: `'self'` or `'none'`.
    """
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self'; form-action {forms}; base-uri 'none'; frame-ancestors 'none'"
    )
