"""A real Prometheus, and targets for it to scrape whose counters a test moves."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.support.real import need_program
from tests.support.waiting import eventually

SCRAPE_S = 0.4
"""Seconds. A scrape may take as long, also where the machine is busy; one that takes longer is a
gap that no test has asked for."""
Labels = tuple[tuple[str, str], ...]


@dataclass
class Target:
    """A process with counters: `requests_total` with whatever labels it is given."""

    job: str
    port: int = 0
    up: bool = True
    not_a_number: bool = False
    counters: Counter[Labels] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, more: int = 1, **labels: str) -> None:
        with self.lock:
            self.counters[tuple(sorted(labels.items()))] += more

    def restart(self) -> None:
        """Begin again from nothing, as a process does."""
        with self.lock:
            self.counters.clear()

    def text(self) -> str:
        lines = ["# TYPE requests_total counter"]
        with self.lock:
            for labels, value in self.counters.items():
                inside = ",".join(f'{name}="{text}"' for name, text in labels)
                shown = "NaN" if self.not_a_number else str(value)
                lines.append(f"requests_total{{{inside}}} {shown}")
        return "\n".join(lines) + "\n"


@contextmanager
def target(job: str) -> Iterator[Target]:
    """A target on a free loopback port."""
    found = Target(job)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = found.text().encode() if found.up else b"down"
            self.send_response(200 if found.up else 503)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    found.port = listener.server_port
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


@dataclass
class Prometheus:
    """A server that runs."""

    url: str

    def scraped_until(self, job: str) -> float:
        """Time of the newest scrape of a job that was answered, good or bad."""
        query = urlencode({"query": f'timestamp(up{{job="{job}"}})'})
        with urlopen(f"{self.url}/api/v1/query?{query}", timeout=5) as answer:
            result = json.load(answer)["data"]["result"]
        return max((float(each["value"][1]) for each in result), default=0.0)

    def await_scrape(self, job: str, after: float | None = None) -> float:
        """Wait until a job was scraped after a moment, now where none is given."""
        moment = time.time() if after is None else after
        eventually(lambda: self.scraped_until(job) > moment, within_s=40, every_s=0.05)
        return moment


@contextmanager
def prometheus(
    directory: Path, targets: Sequence[Target], retention: Mapping[str, str] | None = None
) -> Iterator[Prometheus]:
    """A Prometheus that scrapes these targets, on a port it is given."""
    program = need_program("prometheus", "apt-get install prometheus")
    jobs = "".join(
        f"  - job_name: {each.job}\n    static_configs: [{{targets: ['127.0.0.1:{each.port}']}}]\n"
        for each in targets
    )
    config = directory / "prometheus.yml"
    config.write_text(
        f"global: {{scrape_interval: {SCRAPE_S * 1000:.0f}ms, scrape_timeout: "
        f"{SCRAPE_S * 1000:.0f}ms}}\nscrape_configs:\n{jobs}"
    )
    port = _free_port()
    log = (directory / "prometheus.log").open("wb")
    process = subprocess.Popen(
        [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ],
        stdout=log,
        stderr=log,
    )
    found = Prometheus(f"http://127.0.0.1:{port}")
    try:
        eventually(lambda: _ready(found.url), within_s=60, every_s=0.05)
        for each in targets:
            found.await_scrape(each.job)
        yield found
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _free_port() -> int:
    """A port that was free a moment ago: Prometheus cannot tell which one 0 gave it."""
    import socket

    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])
