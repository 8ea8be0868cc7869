"""Does the metric source answer, and is what is live healthy enough to be compared with?

An alarm that was on before the deployment says nothing about the release, so it must be seen
before: what is live is judged by the very limit that a release is judged by.
"""

import math
import time

from orchestrate.core.analysis.evidence import log_above
from orchestrate.core.analysis.sourced import slot_length
from orchestrate.core.check import CheckResult
from orchestrate.core.deployment import Kind
from orchestrate.core.environment import StrategyName
from orchestrate.core.errors import BaselineUnhealthy, NoDataError
from orchestrate.core.metrics import ERRORS
from orchestrate.engine.checks.subject import ENVIRONMENT, Subject
from orchestrate.engine.sampling import recent

NAME = "metrics"
RECENT_S = 300.0


def check(subject: Subject) -> list[CheckResult]:
    """Nothing is said where no release is analysed by a metric source."""
    environment = subject.site.environment
    policy = environment.strategy.analyse
    analysed = (subject.strategy or environment.strategy.type) is StrategyName.CANARY
    if policy.metrics is None or not analysed or subject.kind is not Kind.DEPLOY:
        return []
    shares = subject.site.provider.observe().shares
    if not shares:
        return [CheckResult(NAME, "skipped", "nothing is live to compare with")]
    if policy.metrics.source == "command":
        subject.refuse_running("the command that counts")
    live = max(shares, key=lambda share: share.percent).revision
    name = ERRORS if ERRORS in policy.metrics.queries else next(iter(policy.metrics.queries))
    span_s = max(RECENT_S, 2 * slot_length(policy.metrics, 0.0))
    found = recent(subject.site, name, live, span_s, time.time())
    source = policy.metrics.source
    if found is None:
        return [
            CheckResult(
                NAME,
                "error",
                f"{source} has no values of {name} for the live {live.version}",
                "look at the query, and at the labels it has; or --strategy rolling",
                code=NoDataError.code,
            )
        ]
    text = f"{source}: the live {live.version} has {name} {found} in the last {span_s / 60:.0f} min"
    limit = policy.max_error_ratio
    seen = subject.seen(ENVIRONMENT, source, metric=name, failed=found.failed, total=found.total)
    sure = log_above(found.failed, found.total, limit) >= -math.log(policy.alpha)
    if name == ERRORS and found.ratio > limit and sure:
        return [
            CheckResult(
                NAME,
                "fail",
                f"{text}, over the limit of {100 * limit:g}% itself",
                "mend what is live; to release the mending: --strategy rolling, which does not "
                "compare, or a higher max_error_ratio",
                code=BaselineUnhealthy.code,
                evidence=seen,
            )
        ]
    return [CheckResult(NAME, "pass", text, evidence=seen)]
