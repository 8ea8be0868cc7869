"""How often canary analysis cries wolf, and how soon it sees a bad release, by simulation.

An hour is 60 buckets of a minute, of Poisson requests; 600 a minute, 5 % of them to the new
version, 1 % errors, unless the row says otherwise. The rules it is compared with see the very same
hours. `@` is the median minute of the abort, of the hours that abort, as in the literature; the
last line gives the median over all hours too. An argument is the number of hours of each row.
"""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import last_line, show

from orchestrate.core.analysis.counts import Stratum
from orchestrate.core.analysis.readings import Design
from orchestrate.core.environment import AnalysePolicy
from tests.support.traffic import Scene, Tally, judged, middle, never_promoted, tally

HOURS = 400
ALPHA = 0.05
DESIGN = Design(alpha=ALPHA, beta=0.05, negligible=0.005)
PROOF = replace(DESIGN, negligible=None)
"""For promotions: a share that is fine anyway must not make them easy."""
HARM = never_promoted(DESIGN)
SAME = Scene()
EQUAL = SAME.but(new=200.0, old=200.0, new_rate=0.002, old_rate=0.002)

NO_WORSE = {
    "no worse: errors one by one": (SAME, 1),
    "no worse: a look each 5 buckets": (SAME, 5),
    "no worse: common drift": (SAME.but(drift=0.7), 1),
    "no worse: weights 5, 25, 50 %": (SAME.but(weights=(0.05, 0.25, 0.5)), 1),
    "no worse: bursts, correlation 0.02": (SAME.but(together=0.02), 1),
    "no worse: bursts, correlation 0.05": (SAME.but(together=0.05), 1),
    "no worse: equal arms, 0.2 % errors": (EQUAL, 1),
    "no worse: bursts and weights": (SAME.but(together=0.02, weights=(0.05, 0.25, 0.5)), 1),
    "no worse: 95 % to the new one": (SAME.but(new=570.0, old=30.0), 1),
    "no worse: 95 %, correlation 0.02": (SAME.but(new=570.0, old=30.0, together=0.02), 1),
    "no worse: 90 %, correlation 0.05": (SAME.but(new=540.0, old=60.0, together=0.05), 1),
}
SLOW_DRIFT = SAME.but(drift=0.3)
WORSE = {
    "3 times: slow drift": SLOW_DRIFT.but(new_rate=0.03),
    "3 times: slow drift, correlation 0.02": SLOW_DRIFT.but(new_rate=0.03, together=0.02),
    "3 times: slow drift, correlation 0.05": SLOW_DRIFT.but(new_rate=0.03, together=0.05),
    "3 times: no drift": SAME.but(new_rate=0.03),
    "3 times: no drift, correlation 0.02": SAME.but(new_rate=0.03, together=0.02),
    "3 times: no drift, correlation 0.05": SAME.but(new_rate=0.03, together=0.05),
    "10 times: 0.1 to 1 %, 60 + 60": SAME.but(new=60.0, old=60.0, old_rate=0.001),
}
PLAIN, BURSTS = "3 times: no drift", "3 times: no drift, correlation 0.02"
"""The two that are promised a time, where nothing helps: drift raises the mean rate a little."""
RARE = SLOW_DRIFT.but(new=300.0, old=2700.0, new_rate=0.001, old_rate=0.001)
PROMOTED = {
    "good, 600 a minute": SLOW_DRIFT,
    "2 times, 600 a minute": SLOW_DRIFT.but(new_rate=0.02),
    "good, 600 a minute, 90 minutes": SLOW_DRIFT.but(minutes=90),
    "2 times, 600 a minute, 90 minutes": SLOW_DRIFT.but(new_rate=0.02, minutes=90),
    "good, 3,000 a minute": SLOW_DRIFT.but(new=300.0, old=2700.0),
    "2 times, 3,000 a minute": SLOW_DRIFT.but(new=300.0, old=2700.0, new_rate=0.02),
    "good, 0.1 % errors, 3,000 a minute": RARE,
    "2 times, 0.1 % errors, 3,000 a minute": RARE.but(new_rate=0.002),
    "good, bursts of 0.02": SLOW_DRIFT.but(together=0.02),
    "2 times, bursts of 0.02": SLOW_DRIFT.but(new_rate=0.02, together=0.02),
    "2 times, bursts of 0.05": SLOW_DRIFT.but(new_rate=0.02, together=0.05),
}
WHOLE = AnalysePolicy(window_s=3600.0 * 2, bucket_s=60.0, alpha=ALPHA)
"""All tests and the limit of 5 % together; a window without end, so that nothing is promoted."""
HALF = SAME.but(new=300.0, old=300.0)
NEAR = {
    "4 % errors, correlation 0.05": HALF.but(new_rate=0.04, old_rate=0.04, together=0.05),
    "4.5 % errors, correlation 0.02": HALF.but(new_rate=0.045, old_rate=0.045, together=0.02),
    "5 % errors, one by one": HALF.but(new_rate=0.05, old_rate=0.05),
    "5 % errors, correlation 0.05": HALF.but(new_rate=0.05, old_rate=0.05, together=0.05),
    "5 %, 0.05, weights 5, 25, 50 %": SAME.but(
        new_rate=0.05, old_rate=0.05, together=0.05, weights=(0.05, 0.25, 0.5)
    ),
}
OVER = {
    "10 % errors, one by one": HALF.but(new_rate=0.1, old_rate=0.01),
    "10 % errors, correlation 0.02": HALF.but(new_rate=0.1, old_rate=0.01, together=0.02),
    "20 % errors, correlation 0.05": HALF.but(new_rate=0.2, old_rate=0.01, together=0.05),
}
Rule = Callable[[Sequence[Stratum]], bool]


def main() -> None:
    hours = int(sys.argv[1]) if len(sys.argv) > 1 else HOURS
    alarms = {
        name: tally(scene, HARM, hours, every=every) for name, (scene, every) in NO_WORSE.items()
    }
    seen = {name: tally(scene, HARM, hours) for name, scene in WORSE.items()}
    rows = [
        [name, *_others(scene, hours), _said(alarms[name] if name in alarms else seen[name])]
        for name, scene in {**{n: s for n, (s, _) in NO_WORSE.items()}, **WORSE}.items()
    ]
    header = ["share aborted @ median minute", *RULES, "ours"]
    show("a release is refused, looks each minute but where said", rows, header)
    promoted = {name: tally(scene, PROOF, hours) for name, scene in PROMOTED.items()}
    show(
        "a release is promoted only with proof, within an hour but where said",
        [[name, *_ended(found)] for name, found in promoted.items()],
        ["share", "promoted", "median minute", "refused", "no verdict"],
    )
    few = max(hours // 4, 20)
    near = {name: judged(scene, WHOLE, few) for name, scene in NEAR.items()}
    over = {name: judged(scene, WHOLE, few) for name, scene in OVER.items()}
    show(
        f"the whole verdict near the limit of 5 %, half of the requests to each, {few} hours",
        [[name, _said(found)] for name, found in {**near, **over}.items()],
        ["share aborted @ median minute", "ours"],
    )
    worst = max(found.aborts for found in alarms.values())
    worst_near = max(found.aborts for found in near.values())
    plain, bursts = seen[PLAIN], seen[BURSTS]
    last_line(
        "analysis",
        false_abort_max=f"{worst:.4f}",
        power_3x_median_min=f"{plain.median:.0f}",
        power_3x=f"{plain.aborts:.3f}",
        power_3x_of_all_median_min=f"{plain.median_of_all:.0f}",
        power_3x_bursts_median_min=f"{bursts.median:.0f}",
        power_3x_bursts=f"{bursts.aborts:.3f}",
        power_3x_bursts_of_all_median_min=f"{bursts.median_of_all:.0f}",
        false_abort_allowed=f"{_allowed(hours):.4f}",
        false_abort_near_limit=f"{worst_near:.4f}",
        false_abort_near_limit_allowed=f"{_allowed(few):.4f}",
        hours=hours,
    )
    if worst > _allowed(hours) or worst_near > _allowed(few):
        sys.exit("too many good releases were refused")


def _allowed(hours: int) -> float:
    """Alpha and three standard errors."""
    return ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / hours)


def _said(found: Tally) -> str:
    return _share(found.aborts, found.median)


def _ended(found: Tally) -> list[str]:
    return [
        f"{found.promotions:.3f}",
        f"{middle(found.proven):.0f}" if found.promotions >= 0.05 else "-",
        f"{found.aborts:.3f}",
        f"{(found.hours - len(found.proven) - len(found.aborted)) / found.hours:.3f}",
    ]


def _others(scene: Scene, hours: int) -> list[str]:
    """What each other rule says of the same hours."""
    minutes: dict[str, list[float]] = {name: [] for name in RULES}
    for seed in range(hours):
        hour = list(scene.hour(seed))
        for name, (rule, looks) in RULES.items():
            found = next((n for n in looks if n <= len(hour) and rule(hour[:n])), math.inf)
            minutes[name].append(found)
    return [_fraction(found) for found in minutes.values()]


def _fraction(minutes: list[float]) -> str:
    ended = [each for each in minutes if each < math.inf]
    return _share(len(ended) / len(minutes), middle(ended))


def _share(share: float, minute: float) -> str:
    """A share of the hours; a minute of a handful of them says nothing."""
    return f"{share:.3f}" + (f" @{minute:.0f}" if share >= 0.05 else "")


# -- the other rules: whether they abort after the buckets so far


def _fixed_limit(so_far: Sequence[Stratum]) -> bool:
    """More than 3 minutes with more than 5 % errors, as Argo Rollouts' examples have it."""
    return sum(each.new.ratio > 0.05 for each in so_far) > 3


def _fixed_strict(so_far: Sequence[Stratum]) -> bool:
    """5 minutes with more than 1 % errors, never forgotten, as Flagger's examples have it."""
    return sum(each.new.ratio > 0.01 for each in so_far) >= 5


def _chi_squared(so_far: Sequence[Stratum]) -> bool:
    """A test at 5 % of the sums so far, as if it were the only one."""
    a, n = sum(s.new.failed for s in so_far), sum(s.new.total for s in so_far)
    b, m = sum(s.old.failed for s in so_far), sum(s.old.total for s in so_far)
    if a + b == 0 or n == 0 or m == 0:
        return False
    rate = (a + b) / (n + m)
    z = (a / n - b / m) / math.sqrt(rate * (1 - rate) * (1 / n + 1 / m))
    return z > 1.96


def _mann_whitney(so_far: Sequence[Stratum]) -> bool:
    """Kayenta's judge: the interval at 0.98 lies above a quarter of the estimated shift."""
    new, old = [s.new.ratio for s in so_far], [s.old.ratio for s in so_far]
    shifts = sorted(x - y for x in new for y in old)
    margin = 0.25 * abs(shifts[len(shifts) // 2])
    above = sum((x - margin > y) + 0.5 * (x - margin == y) for x in new for y in old)
    pooled = sorted([*(x - margin for x in new), *old])
    size = len(pooled)
    ties = sum(c**3 - c for c in (pooled.count(v) for v in set(pooled)))
    variance = len(new) * len(old) / 12 * (size + 1 - ties / (size * (size - 1)))
    if variance == 0:
        return False
    return (above - len(new) * len(old) / 2 - 0.5) / math.sqrt(variance) > 2.326


EACH_MINUTE = range(1, 61)
RULES: dict[str, tuple[Rule, Sequence[int]]] = {
    "over 5 %, 4 times": (_fixed_limit, EACH_MINUTE),
    "over 1 %, 5 times": (_fixed_strict, EACH_MINUTE),
    "chi-squared": (_chi_squared, EACH_MINUTE),
    "Mann-Whitney": (_mann_whitney, range(10, 61, 5)),
}


if __name__ == "__main__":
    main()
