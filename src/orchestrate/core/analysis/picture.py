"""The confidence sequence over time as SVG: text, without a library and without a script."""

from collections.abc import Mapping, Sequence

from orchestrate.core.analysis.readings import Reading

WIDTH, PANEL = 720, 250
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 24, 36
HEAD = 44
Point = tuple[float, float]


def svg(metrics: Mapping[str, Sequence[Reading]], title: str, text: str) -> str:
    """A panel for each metric: the difference of the shares with its bounds, bucket by bucket;
    above zero is worse."""
    height = HEAD + PANEL * max(len(metrics), 1)
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            'font-family="sans-serif" font-size="12">',
            f"<title>{_plain(title)}</title><desc>{_plain(text)}</desc>",
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            f'<text x="{LEFT}" y="18" font-weight="bold">{_plain(title)}</text>',
            f'<text x="{LEFT}" y="34" fill="#555">{_plain(text[:110])}</text>',
            *(
                _panel(name, readings, HEAD + PANEL * number)
                for number, (name, readings) in enumerate(metrics.items())
            ),
            "</svg>\n",
        )
    )


def _panel(name: str, readings: Sequence[Reading], top: int) -> str:
    values = [v for r in readings for v in (r.difference, r.lower, r.upper) if v is not None]
    low, high = min([0.0, *values]), max([0.0, *values])
    room = (high - low) * 0.05 or 0.001
    scale = _Scale(max(len(readings), 1), low - room, high + room)
    return "\n".join(
        (
            f'<g transform="translate(0 {top})">',
            f'<text x="{LEFT}" y="14">{_plain(name)}</text>',
            _band(readings, scale),
            _line(readings, scale),
            *_axes(scale),
            "</g>",
        )
    )


class _Scale:
    """From buckets and shares to places in the picture."""

    def __init__(self, count: int, low: float, high: float) -> None:
        self.count, self.low, self.high = count, low, high

    def x(self, bucket: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * bucket / self.count, 1)

    def y(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low)
        return round(PANEL - BOTTOM - (PANEL - TOP - BOTTOM) * part, 1)


def _band(readings: Sequence[Reading], scale: _Scale) -> str:
    upper = [(scale.x(r.buckets), scale.y(r.upper)) for r in readings if r.upper is not None]
    lower = [(scale.x(r.buckets), scale.y(r.lower)) for r in readings if r.lower is not None]
    return f'<polygon points="{_points([*upper, *lower[::-1]])}" fill="#9ecae1" opacity="0.6"/>'


def _line(readings: Sequence[Reading], scale: _Scale) -> str:
    found = [
        (scale.x(r.buckets), scale.y(r.difference)) for r in readings if r.difference is not None
    ]
    return f'<polyline points="{_points(found)}" fill="none" stroke="#08519c" stroke-width="2"/>'


def _axes(scale: _Scale) -> list[str]:
    zero, right = scale.y(0.0), WIDTH - RIGHT
    return [
        f'<line x1="{LEFT}" x2="{right}" y1="{zero}" y2="{zero}" stroke="#a50f15" '
        'stroke-dasharray="4 3"/>',
        *(
            f'<text x="{LEFT - 6}" y="{scale.y(v) + 4}" text-anchor="end">{100 * v:+.2f}%</text>'
            for v in (scale.low, 0.0, scale.high)
        ),
        f'<text x="{right}" y="{PANEL - 12}" text-anchor="end">buckets: {scale.count}; '
        "above the dashed line the new one is worse</text>",
    ]


def _points(found: Sequence[Point]) -> str:
    return " ".join(f"{x},{y}" for x, y in found)


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
