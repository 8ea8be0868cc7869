"""Links that people are sent to: checked before anybody is asked to open one."""

from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/[]")


def public_url(text: str | None) -> str | None:
    """`text` as the base of links: https, or http to this very machine; None for anything else.

    Nothing in it may be understood otherwise by a browser or a shell: no user, no query, no quote.
    """
    if not text or set(text) - _PLAIN:
        return None
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.username is not None or parts.password is not None:
        return None
    if parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK):
        return text.rstrip("/")
    return None
