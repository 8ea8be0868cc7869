"""What GitHub knows of a commit: statuses, check runs, code scanning, Dependabot.

github.com or a GitHub Enterprise, by the REST API of 2022-11-28. Lists are followed to their end,
and only at the same server; an answer that was not changed since is not fetched again (ETag); a
rate limit is an error with the time to wait.
"""

import json
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import httpx2
from pydantic import JsonValue

from orchestrate.core.errors import (
    NoDataError,
    OutboundFailed,
    ProviderUnavailable,
    RateLimited,
)
from orchestrate.core.reports import MOST_BYTES as MOST_SARIF
from orchestrate.core.reports import Finding
from orchestrate.core.reports.findings import alert_name, read
from orchestrate.core.secret import Secret
from orchestrate.core.validation import SEVERITIES, Severity
from orchestrate.providers.outbound import Answer, Outbound

Json = dict[str, JsonValue]
VERSION = "2022-11-28"
MOST_BYTES = 8 << 20
MOST_PAGES = 50
MOST_KEPT = 200
GOOD = frozenset({"success", "neutral", "skipped"})
_NEXT = re.compile(r'<([^>]+)>;\s*rel="next"')
_LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True)
class CommitChecks:
    """The combined status and the check runs of one commit."""

    passed: tuple[tuple[str, datetime | None], ...]
    """What succeeded, and when it ended."""
    failed: tuple[str, ...]
    pending: tuple[str, ...]


@dataclass(frozen=True)
class CodeScanning:
    """The analyses of one commit, and what they found that nobody dismissed."""

    tools: tuple[str, ...]
    findings: tuple[Finding, ...]
    dates: tuple[datetime, ...]
    """When the analyses were made."""


class _Kept:
    """The newest answers by url and whom they were for, with their ETag."""

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[str, str], tuple[str, Answer]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str]) -> tuple[str, Answer] | None:
        with self._lock:
            return self._answers.get(key)

    def put(self, key: tuple[str, str], value: tuple[str, Answer]) -> None:
        with self._lock:
            self._answers[key] = value
            self._answers.move_to_end(key)
            while len(self._answers) > MOST_KEPT:
                self._answers.popitem(last=False)


_KEPT = _Kept()


class GitHub:
    """GitHub at `url`, asked with `token` where there is one. `now` gives seconds since 1970."""

    def __init__(
        self,
        url: str,
        outbound: Outbound,
        token: Secret | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._base = url.rstrip("/")
        self._outbound, self._token, self._now = outbound, token, now

    def checks_of(self, repository: str, sha: str) -> CommitChecks:
        """Both what statuses and what check runs say: Actions report to the second alone."""
        passed, failed, pending = list[tuple[str, datetime | None]](), list[str](), list[str]()
        statuses = list(self._list(f"/repos/{repository}/commits/{sha}/status", {}, "statuses"))
        for each in statuses:
            name, state = str(each.get("context")), each.get("state")
            match state:
                case "success":
                    passed.append((name, _time(each.get("updated_at"))))
                case "pending":
                    pending.append(name)
                case _:
                    failed.append(name)
        runs = self._list(
            f"/repos/{repository}/commits/{sha}/check-runs", {"filter": "latest"}, "check_runs"
        )
        for each in runs:
            name, conclusion = str(each.get("name")), each.get("conclusion")
            if each.get("head_sha") != sha:
                raise NoDataError(f"GitHub answered with a check run of another commit: {name}")
            if each.get("status") != "completed":
                pending.append(name)
            elif conclusion == "success":
                passed.append((name, _time(each.get("completed_at"))))
            elif conclusion not in GOOD:
                failed.append(f"{name} ({conclusion})")
        return CommitChecks(tuple(passed), tuple(failed), tuple(pending))

    def code_scanning(self, repository: str, sha: str) -> CodeScanning:
        """What the analyses of this very commit found. The alerts of its branch would say what the
        newest analysis there found: a hole that was mended since is none of them.

        Raises NoDataError when the commit was not analysed.
        """
        path = f"/repos/{repository}/code-scanning"
        analyses = [
            a for a in self._list(f"{path}/analyses", {}, None) if a.get("commit_sha") == sha
        ]
        if not analyses:
            raise NoDataError(
                f"code scanning has no analysis of {sha[:7]}",
                fix=[f"have {repository} analysed at that commit, and ask again"],
            )
        broken = [str(a.get("error")) for a in analyses if a.get("error")]
        if broken:
            raise NoDataError(f"the analysis of {sha[:7]} did not succeed", why=broken[:3])
        dismissed = {
            alert_name(alert.get("number"))
            for alert in self._list(f"{path}/alerts", {"state": "dismissed"}, None)
        }
        found: dict[Finding, None] = {}
        dates: list[datetime] = []
        for analysis in _newest(analyses):
            made = _time(analysis.get("created_at"))
            if made is None:
                raise NoDataError(f"the analysis of {sha[:7]} has no date")
            dates.append(made)
            results = self._results(f"{path}/analyses/{analysis.get('id')}")
            if analysis.get("results_count") and not results:
                raise NoDataError(f"GitHub does not show what the analysis of {sha[:7]} found")
            found |= dict.fromkeys(f for f in results if dismissed.isdisjoint(f.names))
        tools = dict.fromkeys(str(_inner(a, "tool").get("name")) for a in analyses)
        return CodeScanning(tuple(tools), tuple(found), tuple(dates))

    def dependabot(self, repository: str) -> tuple[Finding, ...]:
        """The open alerts of the repository's default branch."""
        path = f"/repos/{repository}/dependabot/alerts"
        return tuple(_dependency(alert) for alert in self._list(path, {"state": "open"}, None))

    def _results(self, path: str) -> tuple[Finding, ...]:
        """What one analysis found, as SARIF. Too large to be kept."""
        url = f"{self._base}{quote(path)}"
        headers = self._headers("application/sarif+json")
        answer = self._outbound.send("GET", url, headers=headers, most_bytes=MOST_SARIF)
        self._refuse(answer, path)
        return read(answer.body, "sarif").findings

    def _list(self, path: str, query: Mapping[str, str], key: str | None) -> Iterator[Json]:
        """The items of every page; `key` names the list where it is not the answer itself."""
        url: str | None = f"{self._base}{quote(path)}?{urlencode({**query, 'per_page': 100})}"
        seen, total = 0, None
        for _ in range(MOST_PAGES):
            if url is None:
                break
            answer = self._get(url, path)
            body = _body(answer)
            items = body.get(key) if key is not None and isinstance(body, dict) else body
            if not isinstance(items, list):
                raise NoDataError(f"GitHub answered something else than a list for {path}")
            if isinstance(body, dict) and isinstance(count := body.get("total_count"), int):
                total = count
            for item in items:
                if isinstance(item, dict):
                    seen += 1
                    yield item
            url = self._next(answer)
        if url is not None or (total is not None and seen < total):
            raise NoDataError(f"GitHub's list was not complete: {seen} of {total or 'too many'}")

    def _get(self, url: str, path: str) -> Answer:
        # Who asks decides what is seen: an answer is kept for the one it was given to.
        whom = "" if self._token is None else str(hash(self._token.reveal()))
        kept = _KEPT.get((url, whom))
        headers = self._headers("application/vnd.github+json")
        if kept is not None:
            headers["if-none-match"] = kept[0]
        answer = self._outbound.send("GET", url, headers=headers, most_bytes=MOST_BYTES)
        if answer.status == 304 and kept is not None:
            return kept[1]
        self._refuse(answer, path)
        tag = answer.headers.get("etag")
        if tag is not None:
            _KEPT.put((url, whom), (tag, answer))
        return answer

    def _headers(self, accept: str) -> dict[str, str | Secret]:
        headers: dict[str, str | Secret] = {"accept": accept, "x-github-api-version": VERSION}
        if self._token is not None:
            headers["authorization"] = Secret(f"Bearer {self._token.reveal()}")
        return headers

    def _next(self, answer: Answer) -> str | None:
        """The next page: on the same server, or the token would go elsewhere."""
        found = _NEXT.search(answer.headers.get("link", ""))
        if found is None:
            return None
        ours, theirs = httpx2.URL(self._base), httpx2.URL(found[1])
        if (ours.scheme, ours.host, ours.port) != (theirs.scheme, theirs.host, theirs.port):
            raise NoDataError("GitHub's next page is at another server, which is not asked")
        return found[1]

    def _refuse(self, answer: Answer, path: str) -> None:
        if answer.ok:
            return
        wait = self._wait(answer)
        if wait is not None:
            raise RateLimited("GitHub's rate limit is reached", retry_after_s=wait)
        match answer.status:
            case 401:
                raise ProviderUnavailable(
                    "GitHub does not take the token",
                    fix=["set the secret that checks.github.token names again"],
                )
            case 403:
                raise ProviderUnavailable(
                    f"GitHub refuses {path}",
                    why=["the feature is not enabled there, or the token may not read it"],
                    fix=["enable it for the repository, or give the token the right to read it"],
                )
            case 404:
                raise NoDataError(
                    f"GitHub has nothing at {path}",
                    why=["no such repository, commit or analysis, or the token may not see it"],
                    fix=["correct the name, or give the token the right to read it"],
                )
            case _:
                raise OutboundFailed(
                    "GitHub is out of order", why=[f"it {answer.said}"], retry_after_s=10.0
                )

    def _wait(self, answer: Answer) -> float | None:
        """Seconds to wait, for an answer that says a limit is reached; None for any other."""
        if answer.status not in (403, 429):
            return None
        after = answer.headers.get("retry-after", "")
        if after.isdigit():
            return min(float(after), _LONGEST_WAIT_S)
        reset = answer.headers.get("x-ratelimit-reset", "")
        if answer.headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
            return min(max(float(reset) - self._now(), 1.0), _LONGEST_WAIT_S)
        return 60.0 if answer.status == 429 else None


def _newest(analyses: list[Json]) -> list[Json]:
    """Of each tool and category the newest: an earlier one of the same commit is superseded."""
    found: dict[tuple[str, str], Json] = {}
    for each in sorted(analyses, key=lambda a: str(a.get("created_at"))):
        found[str(_inner(each, "tool").get("name")), str(each.get("category"))] = each
    return list(found.values())


def _dependency(alert: Json) -> Finding:
    advisory, package = _inner(alert, "security_advisory"), _inner(alert, "dependency")
    name = _inner(package, "package").get("name")
    severity = _severity(_inner(alert, "security_vulnerability").get("severity"))
    names = [str(advisory.get(key)) for key in ("ghsa_id", "cve_id") if advisory.get(key)]
    text = f"{name}: {advisory.get('summary') or ''}"
    first = names[0] if names else f"alert {alert.get('number')}"
    return Finding(first, text[:200], severity, tuple(names[1:]))


def _severity(word: JsonValue) -> Severity | None:
    """None for a word that is not known: it counts as the worst."""
    return next((each for each in SEVERITIES if each == word), None)


def _time(text: JsonValue) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if isinstance(text, str) else None
    except ValueError:
        return None


def _body(answer: Answer) -> JsonValue:
    try:
        found: JsonValue = json.loads(answer.body)
    except (ValueError, RecursionError) as problem:
        raise NoDataError("GitHub answered something that is no JSON") from problem
    return found


def _inner(value: Mapping[str, JsonValue], key: str) -> Json:
    found = value.get(key)
    return found if isinstance(found, dict) else {}
