"""Values that this process has seen: what it writes into its own log is masked for them."""

import logging
from threading import Lock

from orchestrate.core.redact import Redactor
from orchestrate.core.secret import Secret

MOST = 2000
_seen: dict[str, Secret] = {}
_lock = Lock()
_mask: Redactor | None = Redactor()


def note(value: Secret) -> Secret:
    """Remember a value that was opened, or was given to be kept. Returns it."""
    global _mask
    with _lock:
        if value.reveal() not in _seen:
            if len(_seen) >= MOST:
                _seen.pop(next(iter(_seen)))
            _seen[value.reveal()] = value
            _mask = None
    return value


def masked(text: str) -> str:
    """`text` without any value that this process has seen, and without a token of ours."""
    global _mask
    with _lock:
        if _mask is None:
            _mask = Redactor(_seen.values())
        mask = _mask
    return mask(text)


class MaskingFormatter(logging.Formatter):
    """The last thing that happens to a line of the log, its traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))
