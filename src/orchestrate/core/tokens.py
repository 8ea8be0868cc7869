"""The form of a token: `orcd_`, an id, a secret and a checksum, 63 characters.

The letter tells the role, so that a reader of a log knows what leaked; the checksum tells a slip of
the hand, or a look-alike, from a token before anybody is asked. Nothing of it can be guessed from
the id, which is no secret.
"""

import re
import zlib
from typing import NamedTuple

from orchestrate.core.identity import Role

LETTERS = {Role.VIEWER: "r", Role.DEPLOYER: "d", Role.APPROVER: "s", Role.ADMIN: "a"}
"""Reads, deploys, signs, administers."""
ID, SECRET, CHECK = 9, 43, 6
"""Characters: 48 bits that name it, 256 that prove it, 32 that check it."""
ID_BYTES, SECRET_BYTES = 6, 32
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM = re.compile(r"orc([adsr])_([0-9A-Za-z]{9})[0-9A-Za-z]{43}([0-9A-Za-z]{6})")


class Token(NamedTuple):
    """A token, whole, and the id in it."""

    text: str
    id: str
    role: Role


def compose(role: Role, identity: bytes, secret: bytes) -> Token:
    """The token of 6 and 32 random bytes. Raises ValueError for other lengths."""
    if (len(identity), len(secret)) != (ID_BYTES, SECRET_BYTES):
        raise ValueError(f"a token is made of {ID_BYTES} and {SECRET_BYTES} bytes")
    name = _base62(int.from_bytes(identity), ID)
    body = f"orc{LETTERS[role]}_{name}{_base62(int.from_bytes(secret), SECRET)}"
    return Token(body + _checksum(body), name, role)


def parse(text: str) -> Token | None:
    """The token in `text`; None where there is none, whole and with its checksum right."""
    found = _FORM.fullmatch(text)
    if found is None or _checksum(text[:-CHECK]) != found[3]:
        return None
    role = next(role for role, letter in LETTERS.items() if letter == found[1])
    return Token(text, found[2], role)


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), CHECK)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, rest = divmod(number, 62)
        digits.append(_DIGITS[rest])
    return "".join(reversed(digits))
