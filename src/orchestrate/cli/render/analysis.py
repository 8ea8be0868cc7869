"""An analysis: the verdict, what each test says, and the confidence sequence over time."""

from typing import TYPE_CHECKING

from orchestrate.cli.render.paint import Paint, clean, cut, fields
from orchestrate.core import words
from orchestrate.core.durations import spoken

if TYPE_CHECKING:
    from orchestrate.cli.documents import Analysis, AnalysisPoint, Metric

ROWS = 9
LABEL = 9


def analysis(doc: "Analysis", paint: Paint) -> list[str]:
    """The verdict first, then each metric with its counts and its picture."""
    verdict = doc["verdict"]
    lines = [cut(doc["summary"], paint.width)]
    state = f"{words.word(verdict['state'] or 'watching')} after {_length(verdict['watched_s'])}"
    if verdict["horizon_s"]:
        state += f" of at most {_length(verdict['horizon_s'])} at this weight"
    lines.append(f"  {cut(state, paint.width - 2)}")
    for metric in doc["metrics"]:
        lines += ["", *_metric(doc, metric, paint)]
    return lines


def _metric(doc: "Analysis", metric: "Metric", paint: Paint) -> list[str]:
    new, old, slow = metric["new"], metric["old"], doc["slow_over_s"]
    what = metric["metric"]
    if what == "latency" and slow is not None:
        what = f"latency: answers slower than {slow:g}s, as one of the old one's frozen quantiles"
    certain = f"{100 * (1 - doc['alpha']):g}%"
    facts = [
        (doc["to_version"], words.share(new["failed"], new["total"])),
        (doc["from_version"] or "old", words.share(old["failed"], old["total"])),
        ("difference", f"{_points(metric)} ({certain} sure, at every look)"),
        ("harm", f"{metric['evidence']:.3g}, refused from {metric['refused_from']:.0f} on"),
        (
            "proof",
            f"{metric['proof']:.3g}, good below {doc['margin']:g} times the old "
            f"one's odds from {1 / doc['alpha']:.0f} on",
        ),
        ("bursts", _bursts(metric)),
    ]
    lines = [f"{what}, {words.counted(metric['buckets'], 'bucket')}", *fields(facts, paint.width)]
    lines += ["", *plot(metric["points"], paint)]
    return [clean(line) for line in lines]


def plot(points: "list[AnalysisPoint]", paint: Paint) -> list[str]:
    """The difference and its bounds: `o` the difference, `:` between its bounds, `-` zero."""
    known = [p for p in points if p["difference"] is not None][-max(paint.width - LABEL - 2, 10) :]
    values = [v for p in known for v in (p["difference"], p["lower"], p["upper"]) if v is not None]
    if not values:
        return []
    low, high = min([0.0, *values]), max([0.0, *values])
    # Nothing but zeros is one line: a scale around it would be of nothing that was measured.
    count = ROWS if high > low else 1
    step = (high - low) / (count - 1) if count > 1 else 1.0
    rows: list[str] = []
    zero = round(-low / step)
    for row in reversed(range(count)):
        label = f"{100 * (low + row * step):+.2f}%" if row in (0, zero, count - 1) else ""
        drawn = "".join(_cell(p, row, zero, low, step) for p in known)
        rows.append(f"{label:>{LABEL}} {drawn}".rstrip())
    return rows


def _cell(point: "AnalysisPoint", row: int, zero: int, low: float, step: float) -> str:
    middle, lower, upper = point["difference"], point["lower"], point["upper"]
    if middle is not None and round((middle - low) / step) == row:
        return "o"
    if lower is not None and upper is not None:
        if round((lower - low) / step) <= row <= round((upper - low) / step):
            return ":"
    return "-" if row == zero else " "


def _points(metric: "Metric") -> str:
    if metric["difference"] is None:
        return "not known: there was nothing to compare"
    middle = f"{100 * metric['difference']:+.2f} points"
    if metric["lower"] is None or metric["upper"] is None:
        return f"{middle}, too few buckets for bounds"
    return f"{middle}, from {100 * metric['lower']:+.2f} to {100 * metric['upper']:+.2f}"


def _bursts(metric: "Metric") -> str:
    found = metric["dispersion"]
    text = "not known" if found is None else f"{found:.2f} (1: errors come one by one)"
    if not metric["baseline_agrees"]:
        text += "; the old version's own halves disagree, so nothing is compared"
    return text


def _length(seconds: float | None) -> str:
    return spoken(round(seconds)) if seconds else "0s"
