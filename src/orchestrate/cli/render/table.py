"""Tables: a header in capitals, two spaces between columns, no borders."""

from collections.abc import Sequence
from typing import NamedTuple

from orchestrate.cli.render.paint import Paint, cells, clean, cut, pad
from orchestrate.core.words import Glyph


class Cell(NamedTuple):
    """Text with the sign before it."""

    text: str
    glyph: Glyph | None = None


class Column(NamedTuple):
    """A column: `gives_way` says in which order columns go where there is no room, 0 never; the
    one that is `cut` loses its end first."""

    title: str
    gives_way: int = 0
    cut: bool = False


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[str | Cell]], paint: Paint
) -> list[str]:
    """The lines of a table no wider than the paint, as far as its columns may be cut or go."""
    whole = [[c if isinstance(c, Cell) else Cell(c) for c in row] for row in rows]
    shown = list(range(len(columns)))
    widths = [_width(columns[i], [row[i] for row in whole], paint) for i in shown]
    if paint.tables:
        shown = _fitting(columns, widths, paint.width)
        _squeeze(columns, widths, shown, paint.width)
    header = "  ".join(pad(columns[i].title, widths[i]) for i in shown).rstrip()
    lines = [header]
    for row in whole:
        parts = [_cell(row[i], widths[i], paint) for i in shown]
        lines.append("  ".join(parts).rstrip())
    return lines


def _fitting(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[int]:
    shown = list(range(len(columns)))
    for i in sorted((i for i in shown if columns[i].gives_way), key=lambda i: columns[i].gives_way):
        least = [min(widths[k], 12) if columns[k].cut else widths[k] for k in shown]
        if sum(least) + 2 * (len(shown) - 1) <= width:
            break
        shown.remove(i)
    return shown


def _squeeze(
    columns: Sequence[Column], widths: list[int], shown: Sequence[int], width: int
) -> None:
    for i in shown:
        over = sum(widths[k] for k in shown) + 2 * (len(shown) - 1) - width
        if over > 0 and columns[i].cut:
            widths[i] = max(widths[i] - over, 8)


def _width(column: Column, found: Sequence[Cell], paint: Paint) -> int:
    return max([cells(column.title), *(_cells(cell, paint) for cell in found)])


def _cells(cell: Cell, paint: Paint) -> int:
    mark = paint.glyph_width + 1 if cell.glyph and paint.tables else 0
    return mark + cells(clean(cell.text) or "-")


def _cell(cell: Cell, width: int, paint: Paint) -> str:
    text = cell.text or "-"
    if cell.glyph is None or not paint.tables:
        return pad(cut(text, width) if paint.tables else clean(text), width)
    mark = paint.glyph(cell.glyph, paint.glyph_width)
    return f"{mark} " + pad(cut(text, width - paint.glyph_width - 1), width - paint.glyph_width - 1)
