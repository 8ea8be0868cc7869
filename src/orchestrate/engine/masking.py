"""A provider whose words hold no secret: what a platform and its applications say is masked here,
before it is recorded, logged or shown anywhere.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any, cast

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.errors import OrchestrateError
from orchestrate.core.metrics import MetricQuery
from orchestrate.core.protocols import (
    Finding,
    LiveState,
    LogLine,
    MetricSource,
    Provider,
    Replica,
    Restorable,
)
from orchestrate.core.redact import Redactor
from orchestrate.core.revision import Ref, Revision
from orchestrate.core.secret import Secret
from orchestrate.core.untrusted import clean

Values = Callable[[], Iterable[Secret]]
LONGEST, LONGEST_QUOTED = 640, 240
"""Characters of what a platform says, and of one line that it only passes on. They are cut
here, after they were masked, and nowhere before: the half of a secret would be left."""
QUOTED = "untrusted | "
NOT_SHOWN = "not shown: the secrets it may hold could not be read to mask them"


def masking(provider: Provider, values: Values) -> Provider:
    """`provider` with every text it answers, and every error it raises, masked for `values`.

    They are read only when there is something to mask. A text that cannot be masked is not shown.
    """
    return cast(Provider, _face(type(provider))(provider, values))


def masking_source(source: MetricSource, values: Values) -> MetricSource:
    """`source` with every error it raises masked for `values`: it may repeat what it was let in
    with, or what a command of the project printed."""
    return _MaskingSource(source, values)


class _MaskingSource:
    def __init__(self, inner: MetricSource, values: Values) -> None:
        self._inner, self._values = inner, values

    def read(
        self, query: MetricQuery, name: str, revision: Ref, since: float, slots: int, slot_s: float
    ) -> Sequence[Counts | None]:
        try:
            return self._inner.read(query, name, revision, since, slots, slot_s)
        except Exception as error:
            mask_error(error, _mask_of(self._values))
            raise


class _Masking:
    """What answers with texts. All else is passed on, with its errors masked."""

    def __init__(self, inner: Provider, values: Values) -> None:
        self._inner, self._values = inner, values

    def probe(self) -> list[Finding]:
        with self._said():
            found = self._inner.probe()
        mask = self._mask()
        return [
            replace(each, text=mask(each.text), fix=mask(each.fix) if each.fix else None)
            for each in found
        ]

    def observe(self) -> LiveState:
        with self._said():
            found = self._inner.observe()
        if not any(r.reason for running in found.running for r in running.replicas):
            return found
        mask = self._mask()

        def masked(replica: Replica) -> Replica:
            return replace(replica, reason=mask(replica.reason)) if replica.reason else replica

        return replace(
            found,
            running=tuple(
                replace(running, replicas=tuple(masked(r) for r in running.replicas))
                for running in found.running
            ),
        )

    def restorable(self, revision: Revision) -> Restorable:
        with self._said():
            found = self._inner.restorable(revision)
        if not found.lost:
            return found
        mask = self._mask()
        return replace(found, lost=tuple(mask(line) for line in found.lost))

    def logs(self, revision: Ref, tail: int, grep: str | None = None) -> Iterator[LogLine]:
        with self._said():
            found = list(self._inner.logs(revision, tail, grep))
        if not found:
            return
        mask = self._mask()
        texts = mask.lines([line.text for line in found])
        for line, text in zip(found, texts, strict=True):
            # A search for a value must not tell whether it is there.
            if grep is None or grep in text:
                yield replace(line, text=text)

    def _mask(self) -> "_Mask":
        return _mask_of(self._values)

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            mask_error(error, self._mask())
            raise


def _mask_of(values: Values) -> "_Mask":
    try:
        return _Mask(Redactor(values()))
    except OrchestrateError:
        return _Mask(None)


class _Mask:
    """Masks and then cuts, or hides all of a text where it cannot."""

    def __init__(self, redactor: Redactor | None) -> None:
        self._redactor = redactor

    def __call__(self, text: str) -> str:
        return NOT_SHOWN if self._redactor is None else _cut(self._redactor(text))

    def lines(self, texts: list[str]) -> list[str]:
        if self._redactor is None:
            return [NOT_SHOWN] * len(texts)
        return self._redactor.lines(texts)


def _cut(text: str) -> str:
    line = text.startswith(QUOTED) and "\n" not in text
    return clean(text, limit=LONGEST_QUOTED if line else LONGEST)


def mask_error(error: BaseException, mask: Callable[[str], str]) -> None:
    """Mask an error, and those it came of, in place: whoever logs its trace sees them all."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, OrchestrateError):
            one.message = mask(one.message) if one is not error else _kept(one.message, mask)
            one.why = tuple(mask(line) for line in one.why)
            one.fix = tuple(_kept(line, mask) for line in one.fix)
            one.args = (one.message,)
        else:
            one.args = tuple(mask(arg) if isinstance(arg, str) else arg for arg in one.args)


def _kept(text: str, mask: Callable[[str], str]) -> str:
    """Our own sentences stay where nothing can be masked; they hold no output of programs."""
    masked = mask(text)
    return text if masked == NOT_SHOWN else masked


@cache
def _face(kind: type[Provider]) -> type[_Masking]:
    """A class with every public name of `kind`, so that what it can do besides shows on it too."""
    members: dict[str, object] = {}
    for name in dir(kind):
        if name.startswith("_") or hasattr(_Masking, name):
            continue
        members[name] = _passed(name) if callable(getattr(kind, name)) else _read(name)
    if not hasattr(kind, "capabilities"):
        members["capabilities"] = _read("capabilities")
    return type(f"Masking{kind.__name__}", (_Masking,), members)


def _passed(name: str) -> Callable[..., Any]:
    def call(self: _Masking, *given: Any, **named: Any) -> Any:
        with self._said():
            return getattr(self._inner, name)(*given, **named)

    call.__name__ = name
    return call


def _read(name: str) -> property:
    return property(lambda self: getattr(self._inner, name))
