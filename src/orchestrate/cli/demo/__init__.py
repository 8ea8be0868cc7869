"""`orchestrate demo`: four versions of a small shop, deployed on this machine under real load.

What belongs here: the story, and how it is told. What does not: deploying. It asks the service as
every other client does, over a private home, and leaves nothing behind.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click


@click.command(short_help="See it work: four versions of a shop on this machine")
@click.option("--app", metavar="DIR", help="The shop: examples/shop of a clone, where not found.")
@click.option("--keep", is_flag=True, help="Leave it running, and say where it is.")
def demo(app: str | None, keep: bool) -> int:
    """See it work: four versions of a small shop, deployed on this machine under real load.

    One is good, one fails its health check, one turns bad after it was promoted and is rolled
    back in one call. Takes about a minute, in a home of its own that is removed at the end.
    Exit code 0 when everything was as promised.
    """
    from orchestrate.cli.demo.place import own_home
    from orchestrate.cli.demo.shop import find
    from orchestrate.cli.demo.story import tell
    from orchestrate.cli.mode import Wish
    from orchestrate.cli.session import Session

    shop = find(app)
    with _ended_by_signals(), own_home(keep) as home:
        return tell(Session(Wish()), shop, home, keep)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Whoever ends this program ends what it started too; and once that has begun, it is not
    broken off."""

    def leave(number: int, _: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    endings = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, leave) for number in endings}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
