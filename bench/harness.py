"""What every benchmark does alike: take samples, name the machine, print a table and a last line.

A benchmark measures the peer, the floor and this program in one run, in turn, so that a busy
moment of the machine meets them all. Numbers of another machine are never quoted.
"""

import compileall
import importlib.util
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

BIN = Path(sys.executable).parent
HERE = Path(__file__).resolve().parent

Value = int | float | str


def compile_all() -> None:
    """Byte code for this program, as an installed package has it and a fresh clone has not."""
    package = importlib.util.find_spec("orchestrate")
    assert package is not None and package.submodule_search_locations
    for directory in package.submodule_search_locations:
        compileall.compile_dir(directory, quiet=2)


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that `percent` of them do not exceed."""
    ordered = sorted(samples)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank) - 1, 0)]


def in_turn(count: int, subjects: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """`count` samples of each subject, one after another in turn; the first round is not kept."""
    samples: dict[str, list[float]] = {name: [] for name in subjects}
    for turn in range(count + 1):
        for name, sample in subjects.items():
            found = sample()
            if turn:
                samples[name].append(found)
    return samples


def row(name: str, samples: Sequence[float], note: str = "") -> list[str]:
    """A table's row of milliseconds: median, 95th percentile, extremes, how many."""
    return [
        name,
        f"{median(samples):.1f}",
        f"{percentile(samples, 95):.1f}",
        f"{min(samples):.1f}",
        f"{max(samples):.1f}",
        str(len(samples)),
        note,
    ]


HEADER = ["", "median ms", "p95", "least", "most", "n", ""]


def show(title: str, rows: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> None:
    """Print a table, with the machine it was measured on."""
    print(f"{title}\n{machine()}\n")
    everything = [list(header), *map(list, rows)]
    widths = [max(len(line[i]) for line in everything) for i in range(len(header))]
    for line in everything:
        first, *rest = (
            cell.ljust(width) if i in (0, len(header) - 1) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  ".join([first, *rest]).rstrip())
    print()


def last_line(name: str, **values: Value) -> None:
    """`name: key=value key=value`: what is compared from run to run."""
    said = " ".join(f"{key}={_said(value)}" for key, value in values.items())
    print(f"{name}: {said}", flush=True)


def machine() -> str:
    """Processor, cores, kernel, Python and how busy it is already."""
    load = os.getloadavg()[0]
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, load {load:.1f} at the end"
    )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2] for line in text.splitlines() if line.startswith("model name")]
    return names[0].strip() if names else platform.machine()


def _said(value: Value) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
