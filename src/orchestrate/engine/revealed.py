"""Values that this process has seen: what it logs, and what is said to it, is masked for them."""

import logging
from collections.abc import Iterator, Mapping
from threading import Lock

from pydantic import JsonValue

from orchestrate.core.redact import Redactor
from orchestrate.core.secret import Secret
from orchestrate.core.secret_rules import is_short

MOST = 2000
_seen: dict[str, Secret] = {}
_lock = Lock()
_mask: Redactor | None = Redactor()


def note(value: Secret) -> Secret:
    """Remember a value that was opened, or was given to be kept. Returns it. One that is too short,
    or too common a word, is not masked: it would be in every other line."""
    global _mask
    if is_short(value):
        return value
    with _lock:
        if value.reveal() not in _seen:
            if len(_seen) >= MOST:
                _seen.pop(next(iter(_seen)))
            _seen[value.reveal()] = value
            _mask = None
    return value


def masked(text: str) -> str:
    """`text` without any value that this process has seen, and without a token of ours."""
    return _redactor()(text)


def masked_json(value: JsonValue) -> JsonValue:
    """`value` with each text in it masked; names of members stay."""
    texts = list(_texts(value))
    clean = dict(zip(texts, _redactor().lines(texts), strict=True))
    return _replaced(value, clean)


def _redactor() -> Redactor:
    global _mask
    with _lock:
        if _mask is None:
            _mask = Redactor(_seen.values())
        return _mask


def _texts(value: JsonValue) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from _texts(each)
        case dict():
            for each in value.values():
                yield from _texts(each)


def _replaced(value: JsonValue, clean: Mapping[str, str]) -> JsonValue:
    match value:
        case str():
            return clean[value]
        case list():
            return [_replaced(each, clean) for each in value]
        case dict():
            return {key: _replaced(each, clean) for key, each in value.items()}
        case _:
            return value


class MaskingFormatter(logging.Formatter):
    """The last thing that happens to a line of the log, its traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))
