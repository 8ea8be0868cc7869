"""The load generator: a steady stream of real requests, each sent once and never again.

It belongs to the demonstration, the tests and the benchmarks, which all ask it the same question:
was a request lost? Standard library only; `python -m orchestrate.cli.load` is the generator's own
process, `Load` starts one and asks it for counts. What retries, hides or repairs does not belong
here.
"""

from orchestrate.cli.load.probes import Outcome, Probe, slow_posts, sse_stream
from orchestrate.cli.load.process import Load, LoadFailed, Result
from orchestrate.cli.load.tally import Counts, Event

__all__ = [
    "Counts",
    "Event",
    "Load",
    "LoadFailed",
    "Outcome",
    "Probe",
    "Result",
    "slow_posts",
    "sse_stream",
]
