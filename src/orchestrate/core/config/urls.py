"""What is wrong with a url that somebody wrote in the file."""

from urllib.parse import urlsplit

from orchestrate.core.config.problems import shown


def wrong_with(url: str) -> str | None:
    """`is not a url`, or None for one that names an http or https host."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a url"
    if parts.username is not None or parts.password is not None:
        return "holds a user name or password, which everybody could read"
    if parts.scheme not in ("http", "https"):
        return f"is {shown(url)}, not an http or https url"
    if not host or not url.isprintable() or " " in url:
        return f"is {shown(url)}, which names no host"
    return None
