"""Secrets taken out of texts on their way to an eye: our own tokens, and values that are known."""

import re
from collections.abc import Iterable

from orchestrate.core.secret import MASK

TOKEN = re.compile(r"(?<![0-9A-Za-z_])orc[adsr]_[0-9A-Za-z]{58}(?![0-9A-Za-z])")
"""A token of ours, told by its form alone; for scanners of secrets too."""


def redact(text: str, values: Iterable[str] = ()) -> str:
    """`text` with every token, and every one of `values` that is not empty, masked."""
    text = TOKEN.sub(lambda found: found[0][:5] + MASK, text)
    for value in sorted(filter(None, values), key=len, reverse=True):
        text = text.replace(value, MASK)
    return text
