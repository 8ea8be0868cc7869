"""The generator's own process: `python -m orchestrate.cli.load URL [--rate 600] ...`.

With `--duration` it runs for so many seconds and prints the counts as JSON. Without, it obeys its
standard input: a line `counts` is answered with the counts; `stop` ends the load and is answered
with the counts and then one line an event; the end of the input ends it too (whoever started it is
gone).
"""

import argparse
import asyncio
import json
import os
import sys
from dataclasses import asdict

from orchestrate.cli.load.generator import Aim, Generator
from orchestrate.cli.load.tally import Tally
from orchestrate.cli.load.wire import Address
from orchestrate.core.errors import OrchestrateError


def main() -> int:
    """Runs the load the arguments describe; 2 when they are wrong."""
    options = _options().parse_args()
    try:
        aim = _aim(options)
    except OrchestrateError as problem:
        sys.stderr.write(f"error: {problem.message}\n")
        return 2
    return asyncio.run(_run(aim, options.duration))


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m orchestrate.cli.load", allow_abbrev=False)
    parser.add_argument("url", help="like http://127.0.0.1:8080")
    parser.add_argument("--rate", type=float, default=600.0, help="requests a second")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--target", action="append", help="PATH or 'METHOD PATH'; may be repeated")
    parser.add_argument("--body", default="", help="what targets that are not a GET send")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds an answer may take")
    parser.add_argument("--host", help="the Host header, where it is not what the URL says")
    parser.add_argument("--duration", type=float, help="seconds; without it, standard input rules")
    return parser


def _aim(options: argparse.Namespace) -> Aim:
    address = Address(options.url, options.host)
    targets: list[str] = options.target or ["/"]
    body = str(options.body).encode()
    return Aim(
        address=address,
        requests=tuple(address.request(target, body) for target in targets),
        rate=max(options.rate, 0.001),
        connections=max(options.connections, 1),
        timeout_s=options.timeout,
    )


async def _run(aim: Aim, duration_s: float | None) -> int:
    tally = Tally()
    generator = Generator(aim, tally)
    if duration_s is None:
        await _obey(generator, tally)
    else:
        asyncio.get_running_loop().call_later(duration_s, generator.stop)
        await generator.run()
        _say(asdict(tally.counts()))
    return 0


async def _obey(generator: Generator, tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    asked_to_report = False
    held = b""

    def take() -> None:
        nonlocal asked_to_report, held
        data = os.read(0, 4096)
        *lines, held = (held + data).split(b"\n")
        for line in lines:
            if line == b"counts":
                _say(asdict(tally.counts()))
            asked_to_report |= line == b"stop"
        if asked_to_report or not data:
            loop.remove_reader(0)
            generator.stop()

    loop.add_reader(0, take)
    _say({"ready": os.getpid()})
    await generator.run()
    if asked_to_report:
        _say(asdict(tally.counts()))
        for event in tally.events():
            sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


def _say(what: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
