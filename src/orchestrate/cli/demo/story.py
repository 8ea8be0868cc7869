"""The story: what is deployed in which order, and what is said of it."""

from typing import TYPE_CHECKING

from orchestrate.cli.demo import report, shop
from orchestrate.cli.demo.place import free_port
from orchestrate.cli.demo.screen import Screen
from orchestrate.cli.demo.stage import Act, Stage
from orchestrate.cli.load import Load
from orchestrate.cli.session import Session
from orchestrate.core import words
from orchestrate.core.durations import spoken
from orchestrate.core.error_codes import from_dict
from orchestrate.core.errors import PermanentError

if TYPE_CHECKING:
    from orchestrate.cli.documents import Deployment

ENOUGH = 20
"""Failed checkouts that make somebody roll back."""
MORE = 1000
"""Requests after the rollback that are looked at."""


def tell(session: Session, root: str, home: str, keep: bool) -> int:
    """Play it and print it. 0 when everything was as promised."""
    screen, port = Screen(session.mode), free_port()
    url = f"http://127.0.0.1:{port}"
    _introduce(screen, url)
    session.client.post("/api/environments", {"environments": [shop.environment(root, port)]})
    stage = Stage(session.client, screen, port)
    acts = [_first(stage, screen)]
    with Load.start(url, rate=shop.RATE, path=shop.CUSTOMERS, body=shop.BASKET) as load:
        stage.load = load
        acts += [
            _canary(stage, screen),
            _refused(stage, screen),
            _promoted(stage, screen),
            _turning_bad(stage, screen),
            _rolled_back(stage, screen),
            _afterwards(stage, screen),
        ]
        result = load.stop()
    promises = report.promises(acts, result)
    screen.say(["", *report.table_of(acts, result, screen.paint), ""])
    for kept, sentence in promises:
        screen.outcome(words.GOOD if kept else words.BAD, sentence)
    screen.say(["", *report.what_next(home if keep else None, url)])
    return 0 if all(kept for kept, _ in promises) else 1


def _introduce(screen: Screen, url: str) -> None:
    screen.text(
        "Four versions of a small web shop, deployed on this machine by real processes behind a "
        "real traffic shifter. It takes about a minute and leaves nothing behind."
    )
    screen.text(f"The shop is at {url} meanwhile.")


def _first(stage: Stage, screen: Screen) -> Act:
    screen.chapter("Deploy 1.0.0, the first version")
    act = stage.deploy("deploy 1.0.0", "1.0.0")
    _expect(act, "succeeded")
    screen.outcome(words.GOOD, _summary(act), spoken(act.took_s))
    return act


def _canary(stage: Stage, screen: Screen) -> Act:
    weights = ", ".join(map(str, shop.WEIGHTS[:-1]))
    screen.chapter(f"Deploy 1.1.0 by canary: {weights}, then 100% of the traffic")
    screen.beside(
        f"Customers come now, {shop.RATE:.0f} requests a second, and shop until the end. No "
        "request is ever sent twice: one that is lost stays lost, and is counted."
    )
    act = stage.deploy("deploy 1.1.0, canary", "1.1.0")
    _expect(act, "succeeded")
    screen.outcome(words.GOOD, _summary(act), spoken(act.took_s))
    return act


def _refused(stage: Stage, screen: Screen) -> Act:
    screen.chapter("Deploy 1.2.0, which fails its health check")
    act = stage.deploy("deploy 1.2.0, refused", "1.2.0")
    document = _expect(act, "rolled_back")
    screen.outcome(words.UNDONE, _summary(act), spoken(act.took_s))
    error = document["error"]
    if error is not None:
        screen.beside("; ".join([error["message"], *error["why"][:1]]))
    return act


def _promoted(stage: Stage, screen: Screen) -> Act:
    screen.chapter("Deploy 1.3.0 by blue-green: it is healthy, and passes everything")
    act = stage.deploy("deploy 1.3.0, blue-green", "1.3.0", "blue-green")
    _expect(act, "succeeded")
    screen.outcome(words.GOOD, _summary(act), spoken(act.took_s))
    return act


def _turning_bad(stage: Stage, screen: Screen) -> Act:
    screen.chapter("A little later its checkouts begin to fail")
    act = stage.watch(
        "1.3.0 turns bad",
        f"wait until {ENOUGH} checkouts have failed",
        lambda counts: counts.by_status.get("500", 0) >= ENOUGH,
    )
    health = stage.health()
    seen = f"checkouts are answered 500, while GET /healthz is answered {health}"
    screen.outcome(words.BAD, seen, spoken(act.took_s))
    return act


def _rolled_back(stage: Stage, screen: Screen) -> Act:
    screen.chapter("Roll back: one call")
    act = stage.roll_back("roll back to 1.1.0", "checkouts fail")
    _expect(act, "succeeded")
    screen.outcome(words.GOOD, _summary(act), spoken(act.took_s))
    return act


def _afterwards(stage: Stage, screen: Screen) -> Act:
    assert stage.load is not None
    before = stage.load.counts().requests
    return stage.watch(
        "afterwards",
        "see who answers now",
        lambda counts: counts.requests >= before + MORE,
    )


def _expect(act: Act, phase: str) -> "Deployment":
    """The deployment, ended as the story wants it. Raises what it ended with instead."""
    document = act.deployment
    assert document is not None
    if document["phase"] == phase:
        return document
    if document["error"] is not None:
        raise from_dict(dict(document["error"]))
    raise PermanentError(f"{act.title}: {document['summary']}")


def _summary(act: Act) -> str:
    return act.deployment["summary"] if act.deployment else ""
