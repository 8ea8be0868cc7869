"""Text from outside (logs, commit messages, answers of a target), made fit to be shown.

`clean` takes away what a terminal would obey or a reader cannot see; `fence` marks where the text
begins and ends. Neither makes its words true: it is data for whoever reads it, person or agent.
"""

import re

LIMIT = 4000
"""Characters that `clean` keeps, unless told otherwise."""

_INVISIBLE = re.compile(
    "["
    "\u00ad\u034f\u061c\u180e"  # soft hyphen, joiner, Arabic mark, Mongolian vowel separator
    "\u115f\u1160\u17b4\u17b5\u3164\uffa0"  # fillers, drawn as nothing
    "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"  # variation selectors
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"  # zero width, direction
    "\ufff0-\ufffb\U0001d173-\U0001d17a\U0001bca0-\U0001bca3\U00013430-\U0001345f"
    "\U000e0000-\U000e00ff"  # tags: ASCII that nobody sees
    "\ufdd0-\ufdef\ufffe\uffff"
    "]"
)
_ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)
_NEWLINE = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_HALF = re.compile("[\ud800-\udfff]")
_MARK = re.compile(r"<(?=[\s/]*untrusted)", re.IGNORECASE)
_BOUNDARY = re.compile(r"[0-9a-f]{8,64}")


def clean(text: str, limit: int = LIMIT) -> str:
    """`text` without escape sequences, control, direction, zero-width and tag characters, lines
    ended by `\\n`, and at most `limit` characters; where it was cut, its last line says so.

    Cleaning twice gives the same as cleaning once. Raises ValueError for a limit under 100.
    """
    if limit < 100:
        raise ValueError("a limit under 100 leaves no room to say that the text was cut")
    text = _INVISIBLE.sub("", text)
    text = _ESCAPE.sub("", text)
    text = _NEWLINE.sub("\n", text)
    text = _CONTROL.sub("", text)
    return _cut(_HALF.sub("\ufffd", text), limit)


def fence(text: str, boundary: str) -> str:
    """`text` cleaned and between two marks that carry `boundary`.

    `boundary` is 8 to 64 lower case hexadecimal digits, drawn anew for every answer, so that the
    text cannot hold the closing mark; what looks like a mark in it is disarmed. Raises ValueError.
    """
    if not _BOUNDARY.fullmatch(boundary):
        raise ValueError("a boundary is 8 to 64 lower case hexadecimal digits")
    inside = _MARK.sub("&lt;", clean(text, limit=max(len(text), LIMIT)))
    return f'<untrusted id="{boundary}">\n{inside}\n</untrusted id="{boundary}">'


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    kept = limit - 40
    return f"{text[:kept]}\n[{len(text) - kept} more characters were cut]"
