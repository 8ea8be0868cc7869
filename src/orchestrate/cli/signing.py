"""Signing what is approved: by ssh-keygen, with a person's own key, in its agent or in hardware."""

import os
import shutil
import subprocess

from orchestrate.core.errors import InvalidInput, PermanentError

USUAL = ("id_ed25519", "id_ecdsa", "id_ed25519_sk", "id_ecdsa_sk", "id_rsa")
LONGEST_S = 300.0
"""For a passphrase to be typed, or a key to be touched."""


def usual_key() -> str | None:
    """ORCHESTRATE_APPROVER_KEY, or the first of the usual keys of ssh that is there."""
    named = os.environ.get("ORCHESTRATE_APPROVER_KEY")
    if named:
        return named
    directory = os.path.expanduser("~/.ssh")
    paths = [os.path.join(directory, name) for name in USUAL]
    return next((path for path in paths if os.path.exists(path)), None)


def public_key(path: str) -> str:
    """The public key of a key's file. Raises InvalidInput where there is none."""
    public = path if path.endswith(".pub") else f"{path}.pub"
    if os.path.exists(public):
        with open(public, encoding="utf-8", errors="replace") as file:
            return file.readline(16384).strip()
    if not os.path.exists(path):
        raise InvalidInput(
            f"there is no key {path}",
            fix=["name one with --key, or make one: ssh-keygen -t ed25519"],
        )
    return _run(["-y", "-f", path], "").strip()


def sign(path: str, text: str, namespace: str) -> str:
    """An armoured signature over `text`. With a `.pub` file the key is the agent's. What ssh-keygen
    asks, it asks at the terminal."""
    return _run(["-Y", "sign", "-f", path, "-n", namespace], text)


def _run(arguments: list[str], given: str) -> str:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise PermanentError(
            "ssh-keygen is not here, and it signs",
            fix=["apt-get install openssh-client", "or decide with --passphrase --as NAME"],
        )
    try:
        done = subprocess.run(
            [program, *arguments],
            input=given.encode(),
            capture_output=True,
            timeout=LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise PermanentError("ssh-keygen did not answer", fix=["try again"]) from late
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise PermanentError(
            "ssh-keygen did not sign", why=said[-3:], fix=["name another key with --key FILE"]
        )
    return done.stdout.decode(errors="replace")
