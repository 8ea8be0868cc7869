"""Migrations: their phase by name, what is left of them, and what is said."""

from __future__ import annotations

import pytest

from orchestrate.core.chance import at_least
from orchestrate.core.deployment import Kind
from orchestrate.core.environment import StrategyName
from orchestrate.core.errors import InvalidInput
from orchestrate.core.jsonpath import MISSING, parts_of, value_at
from orchestrate.core.migrations import Migration, Migrations, pending, phase_of, stays
from orchestrate.core.plan import make_plan, retire_plan, step_keys
from orchestrate.core.protocols import Capabilities
from orchestrate.core.steps import undo_of
from orchestrate.core.windows import Calendar, Window
from tests.core.test_plan import environment, revision, running

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        ("0042_add_currency.sql", "expand"),
        ("0043_contract_drop_price.sql", "contract"),
        ("0043.contract.sql", "contract"),
        ("0044_contracts_table.sql", "expand"),
        ("0045-Contract-x.py", "contract"),
    ],
)
def test_a_file_says_its_phase(name: str, phase: str) -> None:
    assert phase_of(name) == phase


def test_what_is_applied_is_not_to_come() -> None:
    found = [Migration(name=name) for name in ("1", "2", "3")]
    assert [m.name for m in pending(found, ["1", "3", "9"])] == ["2"]


@pytest.mark.parametrize("name", ["", "-rf", "a b", "../x", "x" * 129, "a\nb"])
def test_a_name_is_an_argument_and_nothing_more(name: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        Migration(name=name)


def test_it_is_said_what_stays() -> None:
    expand, contract = Migration(name="0042"), Migration(name="0043", phase="contract")
    assert stays(expand, "1.4.1") == "migration 0042 stays (expand; 1.4.1 works with it)"
    assert (
        stays(contract, "1.4.1")
        == "migration 0043 stays (contract; 1.4.1 may need what it removed)"
    )
    assert stays(expand, None) == "migration 0042 stays (expand)"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", {"a": [{"b": None}], "n-1": 2}),
        ("$.a[0]", {"b": None}),
        ("a[0].b", None),
        ("n-1", 2),
        ("$.a[1]", MISSING),
        ("$.a.b", MISSING),
        ("$[0]", MISSING),
    ],
)
def test_a_path_leads_to_a_value_or_nowhere(path: str, found: object) -> None:
    assert value_at({"a": [{"b": None}], "n-1": 2}, path) == found


@pytest.mark.parametrize("path", ["$..a", "a[", "a[-1]", "a b", "$.a[*]", "a..b"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput):
        parts_of(path)


@pytest.mark.parametrize(
    ("bad", "total", "ratio", "chance"),
    [
        (0, 10, 0.05, 1.0),
        (1, 20, 0.05, 0.6415140775914577),
        (5, 20, 0.05, 0.0025739403346777),
        (3, 10, 1.0, 1.0),
        (1, 10, 0.0, 0.0),
        (300, 5000, 0.05, 0.0008783392813567505),
    ],
)
def test_the_tail_is_the_binomial_s(bad: int, total: int, ratio: float, chance: float) -> None:
    """Values by scipy.stats.binom.sf(bad - 1, total, ratio), 1.17.1."""
    assert at_least(bad, total, ratio) == pytest.approx(chance, rel=1e-9)


@pytest.mark.parametrize("strategy", StrategyName)
@pytest.mark.parametrize("native", [False, True])
def test_a_plan_expands_before_everything_else_and_contracts_when_it_retires(
    strategy: StrategyName, native: bool
) -> None:
    settings = Migrations(expand=("m",), contract=("m",), applied=("m",), timeout_s=30)
    place = environment().model_copy(update={"migrations": settings})
    found = [Migration(name="1"), Migration(name="2", phase="contract"), Migration(name="3")]
    made = make_plan(
        place,
        kind=Kind.DEPLOY,
        target=revision("1.1.0"),
        live=revision("1.0.0"),
        observed=running("1.0.0"),
        capabilities=Capabilities(
            frozenset(StrategyName), native_rolling=native, counts_requests=True
        ),
        replicas=2,
        live_replicas=2,
        strategy=strategy,
        migrations=found,
    )
    keys = step_keys(made.steps)
    assert keys[:2] == ("migrate-1", "migrate-3")
    assert "migrate-2" not in keys
    assert undo_of(made.steps[:2]) == (), "they stay"
    retired = retire_plan(place, revision("1.1.0"), [revision("1.0.0").ref], found)
    assert step_keys(retired.steps)[-2:] == ("stop", "migrate-2")
    assert (made.migrates, retired.migrates) == (True, True)


def test_the_commands_that_migrate_are_part_of_a_plan_that_migrates_and_of_no_other() -> None:
    kept, found = [revision("1.0.0").ref], [Migration(name="2", phase="contract")]
    plain = environment()
    one, other = (
        plain.model_copy(
            update={"migrations": Migrations(expand=("m",), contract=(word,), applied=("m",))}
        )
        for word in ("m", "rm")
    )
    plans = [retire_plan(place, revision("1.1.0"), kept, found) for place in (one, other)]
    assert plans[0].steps == plans[1].steps
    assert plans[0].digest != plans[1].digest
    stops = [retire_plan(place, revision("1.1.0"), kept) for place in (one, other, plain)]
    assert len({each.digest for each in stops}) == 1
    assert "migrations" not in stops[0].model_dump(mode="json")


def test_windows_hold_for_a_contraction_and_not_for_what_only_stops() -> None:
    settings = Migrations(expand=("m",), contract=("m",), applied=("m",))
    opening = Window(zone="UTC", start_min=60, end_min=120)
    place = environment().model_copy(
        update={"migrations": settings, "calendar": Calendar(windows=(opening,))}
    )
    kept, found = [revision("1.0.0").ref], [Migration(name="2", phase="contract")]
    assert retire_plan(place, revision("1.1.0"), kept, found).on_close == "finish"
    assert retire_plan(place, revision("1.1.0"), kept).on_close is None
