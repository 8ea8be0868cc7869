"""Each release of examples/shop runs from a copy of its own directory, and does what it is for."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import pytest
import yaml

from orchestrate.core.config import parse
from tests.support.load import BASKET, SHOPPING, Load, slow_posts, sse_stream, until

SHOP = Path(__file__).parents[2] / "examples" / "shop"
RELEASES = sorted(path.name for path in (SHOP / "releases").iterdir())
GOOD = [version for version in RELEASES if version != "1.2.0"]

pytestmark = pytest.mark.system


class Process:
    """A release under way, in a copy of its directory; the port is read from its log."""

    def __init__(self, version: str, directory: Path, variables: Mapping[str, str]) -> None:
        self.version = version
        shutil.copytree(SHOP / "releases" / version, directory)
        self.process = subprocess.Popen(
            [sys.executable, "-B", "shop.py"],
            cwd=directory,
            env={"PORT": "0", "LOG_LEVEL": "info", **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        listens = re.search(r"listens on http://127\.0\.0\.1:(\d+)", first)
        assert listens, first + self.process.stdout.read()
        self.port = int(listens[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.log: list[str] = []
        self._reader = threading.Thread(target=self._read)  # a full pipe would stop the shop
        self._reader.start()

    def ask(self, target: str, body: str | None = None) -> tuple[int, bytes]:
        """Status and body of one request; the version of the answer is checked each time."""
        method, _, path = target.rpartition(" ")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method or "GET", path, body)
            answer = connection.getresponse()
            assert answer.getheader("X-Version") == self.version
            return answer.status, answer.read()
        finally:
            connection.close()

    def ends(self) -> int:
        """The exit status, with all of the log read."""
        status = self.process.wait(30)
        self._reader.join()
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.ends()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.log.extend(self.process.stdout)


@pytest.fixture
def start(tmp_path: Path) -> Iterator["Starter"]:
    with Starter(tmp_path) as starter:
        yield starter


class Starter:
    """Starts releases, and ends what it started."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._started: list[Process] = []

    def __call__(self, version: str, **variables: str) -> Process:
        process = Process(version, self._place / str(len(self._started)), variables)
        self._started.append(process)
        return process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            process.__exit__()


@pytest.mark.parametrize("version", GOOD)
def test_a_release_sells(start: Starter, version: str) -> None:
    shop = start(version)
    assert shop.ask("/healthz") == (200, json.dumps({"status": "ok", "version": version}).encode())
    assert shop.ask("/version") == (200, json.dumps({"version": version}).encode())
    status, page = shop.ask("/")
    assert status == 200 and version.encode() in page and b"Desk lamp" in page
    status, catalogue = shop.ask("/catalogue")
    prices = {product["sku"]: product["price"] for product in json.loads(catalogue)["products"]}
    status, order = shop.ask("POST /checkout", BASKET)
    assert status == 201
    assert json.loads(order) == {"number": 1, "total": prices["mug"], "currency": "EUR"}


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize(
    ("target", "body", "status"),
    [
        ("/nowhere", None, 404),
        ("/checkout", None, 405),
        ("POST /checkout", "", 400),
        ("POST /checkout", "[]", 400),
        ("POST /checkout", '{"items": []}', 400),
        ("POST /checkout", '{"items": [{"sku": "mug", "quantity": 0}]}', 400),
        ("/slow?s=forever", None, 400),
    ],
)
def test_what_makes_no_sense_is_the_askers_fault(
    shops: Mapping[str, Process], version: str, target: str, body: str | None, status: int
) -> None:
    assert shops[version].ask(target, body)[0] == status


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Process]]:
    """One process of each release, for tests that leave it as it was."""
    with Starter(tmp_path_factory.mktemp("shops")) as starter:
        yield {version: starter(version) for version in RELEASES}


def test_1_1_0_sells_in_the_customers_currency(shops: Mapping[str, Process]) -> None:
    shop = shops["1.1.0"]
    order = json.loads(BASKET) | {"currency": "USD"}
    status, placed = shop.ask("POST /checkout", json.dumps(order))
    assert (status, json.loads(placed)["total"]) == (201, 1308)
    assert b"13.08 USD" in shop.ask("/?currency=USD")[1]
    assert shop.ask("/catalogue?currency=XXX")[0] == 400


def test_1_2_0_says_why_it_is_not_healthy_to_the_asker_and_in_its_log(start: Starter) -> None:
    shop = start("1.2.0")
    status, said = shop.ask("/healthz")
    assert status == 503
    assert "migration 2 has not been applied" in json.loads(said)["reason"]
    shop.process.terminate()
    assert shop.ends() == 0
    assert any("ERROR unhealthy: no such table: voucher" in line for line in shop.log)


@pytest.mark.parametrize(
    "trigger", [{"RATES_MAX_USES": "30"}, {"RATES_MAX_USES": "1000000", "RATES_MAX_AGE_S": "0.3"}]
)
def test_1_3_0_sells_until_its_rates_are_old_and_stays_green(
    start: Starter, trigger: Mapping[str, str]
) -> None:
    shop = start("1.3.0", **trigger)
    with Load.start(shop.url, rate=100, path="POST /checkout", body=BASKET, connections=1) as load:
        until(load, lambda counts: counts.by_status.get("500", 0) >= 20)
        result = load.stop()
    statuses = [event.status for event in result.events]
    sold = statuses.index(500)
    assert sold > 0 and set(statuses[:sold]) == {201}
    assert set(statuses[sold:]) == {500}, "it recovered"
    if "RATES_MAX_AGE_S" not in trigger:
        assert sold == 30
    assert shop.ask("/healthz")[0] == 200


@pytest.mark.parametrize("version", RELEASES)
def test_a_release_ends_with_0_when_what_was_under_way_is_whole(
    start: Starter, version: str
) -> None:
    shop = start(version)
    probes = [*slow_posts(shop.url, 3, seconds=1), sse_stream(shop.url, seconds=2)]
    for probe in probes:
        assert probe.begun.wait(20)
    assert shop.ask("/healthz")[0] in (200, 503)  # by now the four before it have been taken up
    shop.process.send_signal(signal.SIGTERM)
    outcomes = [probe.result() for probe in probes]
    assert [(outcome.whole, outcome.version) for outcome in outcomes] == [(True, version)] * 4
    assert outcomes[-1].events == 11
    assert shop.ends() == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", shop.port), timeout=5)


def test_a_connection_is_kept_between_requests(start: Starter) -> None:
    shop = start("1.0.0")
    with Load.start(shop.url, rate=300, path=SHOPPING, body=BASKET) as load:
        until(load, lambda counts: counts.requests >= 300)
        result = load.stop()
    assert (result.failed, result.idle_closed) == (0, 0)
    assert result.by_version == {"1.0.0": result.requests}


def test_draining_takes_no_new_connection_and_answers_on_those_it_has(start: Starter) -> None:
    shop = start("1.0.0")
    kept = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=20)
    try:
        kept.request("GET", "/version")
        kept.getresponse().read()
        (slow,) = slow_posts(shop.url, 1, seconds=1)
        assert slow.begun.wait(20)
        assert shop.ask("/version")[0] == 200
        shop.process.terminate()
        while not any("draining" in line for line in shop.log):
            assert shop.process.poll() is None
            os.sched_yield()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", shop.port), timeout=5)
        kept.request("GET", "/version")
        answer = kept.getresponse()
        assert (answer.status, answer.getheader("Connection")) == (200, "close")
        answer.read()
    finally:
        kept.close()
    assert slow.result().whole
    assert shop.ends() == 0


def test_a_port_that_is_missing_or_taken_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for variables, said in (
            ({}, "PORT is not set"),
            ({"PORT": port}, "address already in use"),
        ):
            ended = subprocess.run(
                [sys.executable, "-B", "shop.py"],
                cwd=SHOP / "releases" / "1.0.0",
                env=variables,
                capture_output=True,
                text=True,
                timeout=30,
            )
            assert ended.returncode == 1
            assert ended.stderr.startswith("shop: ") and said in ended.stderr
            assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("name", ["web.py", "work.py"])
def test_what_the_releases_share_is_the_same_in_each(name: str) -> None:
    assert len({(SHOP / "releases" / version / name).read_bytes() for version in RELEASES}) == 1


def test_the_configuration_is_valid_and_names_a_directory_for_each_release() -> None:
    text = (SHOP / "orchestrate.yaml").read_text(encoding="utf-8")
    config = parse(
        text, file="orchestrate.yaml", root=str(SHOP), default_app="unused", variables={}
    )
    assert config.app == "shop"
    assert {each.name: each.strategy.type.value for each in config.environments} == {
        "dev": "recreate",
        "staging": "canary",
        "production": "blue-green",
    }
    environments = yaml.safe_load(text)["environments"].values()
    for local in (environment["config"] for environment in environments):
        for version in RELEASES:
            directory = SHOP / local["artifact"].format(version=version)
            assert (directory / local["command"][-1]).is_file()
