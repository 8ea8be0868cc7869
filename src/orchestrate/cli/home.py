"""Where the service lives: its directory, its sockets, and what it says about itself.

Standard library alone, and little of it: the MCP shim and every hot command come through here.
"""

import os
import sys

LONGEST_SOCKET = 100
"""Bytes. A unix socket's address holds 108, and the service renames sockets into place."""

API = "api.sock"
MCP = "mcp.sock"


def home() -> str:
    """ORCHESTRATE_HOME, or the place this platform keeps a user's state in."""
    given = os.environ.get("ORCHESTRATE_HOME")
    if given:
        return os.path.abspath(os.path.expanduser(given))
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Application Support/orchestrate")
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(state, "orchestrate")


def socket_path(directory: str, name: str) -> str:
    """Path of a door's socket. Raises InvalidInput when it is longer than an address may be."""
    path = os.path.join(directory, "run", name)
    if len(os.fsencode(path)) < LONGEST_SOCKET:
        return path
    from orchestrate.core.errors import InvalidInput

    raise InvalidInput(
        "the path of the service's socket is too long",
        why=[f"{path} has {len(os.fsencode(path))} bytes, {LONGEST_SOCKET - 1} are allowed"],
        fix=["set ORCHESTRATE_HOME to a shorter path"],
    )


def service_text(directory: str) -> bytes:
    """What service.json holds; empty when no service has written it yet."""
    try:
        with open(os.path.join(directory, "service.json"), "rb") as file:
            return file.read(65536)
    except FileNotFoundError:
        return b""


def is_ours(said: bytes, version: str) -> bool:
    """Whether service.json names `version`. One that says nothing yet is being started: ours.

    Only when the words differ is JSON imported: the shim pays for it once an upgrade.
    """
    if not said or f'"version": "{version}"'.encode() in said:
        return True
    import json

    try:
        known = json.loads(said)
    except ValueError:
        return True
    return not isinstance(known, dict) or known.get("version") == version
