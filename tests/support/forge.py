"""A GitHub on a real socket that remembers what a test tells it, pages, limits and dates as GitHub
does. Each answer is checked against the official description, of which an excerpt lies beside."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

EXCERPT = json.loads(Path(__file__).with_name("github.openapi.json").read_text(encoding="utf-8"))
AT = "2026-11-25T11:22:00Z"
PAGE = 2
"""Items of a page, whatever is asked for: so that every test pages."""


@dataclass
class Forge:
    """What GitHub has for one repository, `acme/shop`."""

    server: HTTPServer
    token: str | None = None
    """What must be sent; None: nothing need be."""
    statuses: dict[str, list[Any]] = field(default_factory=dict)
    runs: dict[str, list[Any]] = field(default_factory=dict)
    analyses: list[Any] = field(default_factory=list)
    holes: list[tuple[int, ...]] = field(default_factory=list)
    """Of each analysis the numbers of the alerts that it found."""
    alerts: list[Any] = field(default_factory=list)
    dependencies: list[Any] = field(default_factory=list)
    scanning: bool = True
    """Code scanning is enabled."""
    limited: dict[str, str] | None = None
    """Headers of the refusal while a rate limit holds."""
    next_at: str | None = None
    """Where the next page is said to be, when a test has it lie."""
    asked: list[tuple[str, int]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.server.host}:{self.server.port}/api/v3"

    @property
    def place(self) -> str:
        return f"{self.server.host}:{self.server.port}"

    def status(self, sha: str, context: str, state: str, at: str = AT) -> None:
        made = {"id": len(self.statuses), "state": state, "context": context}
        self.statuses.setdefault(sha, []).append({**made, "created_at": at, "updated_at": at})

    def run(self, sha: str, name: str, conclusion: str | None, at: str = AT) -> None:
        """A check run; without a conclusion one that is under way."""
        self.runs.setdefault(sha, []).append(
            {
                "id": 1,
                "head_sha": sha,
                "name": name,
                "status": "completed" if conclusion else "in_progress",
                "conclusion": conclusion,
                "started_at": at,
                "completed_at": at if conclusion else None,
            }
        )

    def analysis(
        self,
        sha: str,
        error: str = "",
        ref: str = "refs/heads/main",
        at: str = AT,
        holes: Sequence[int] = (),
        category: str = "python",
    ) -> None:
        """An analysis of a commit, in which it found these alerts."""
        self.analyses.append(
            {"id": len(self.analyses) + 1, "ref": ref, "commit_sha": sha, "error": error,
             "created_at": at, "results_count": len(holes), "category": category,
             "tool": {"name": "CodeQL"}}
        )  # fmt: skip
        self.holes.append(tuple(holes))

    def alert(
        self, rule: str, severity: str | None, level: str = "warning", dismissed: bool = False
    ) -> int:
        """An alert, of no commit until an analysis finds it there; returns its number."""
        self.alerts.append(
            {
                "number": len(self.alerts) + 1,
                "created_at": AT,
                "state": "dismissed" if dismissed else "open",
                "rule": {
                    "id": rule,
                    "severity": level,
                    "security_severity_level": severity,
                    "description": "a hole",
                },
                "tool": {"name": "CodeQL"},
                "most_recent_instance": {
                    "ref": "refs/heads/main",
                    "commit_sha": "0" * 40,
                    "location": {"path": "app.py", "start_line": 3},
                },
            }
        )
        return len(self.alerts)

    def dependency(self, ghsa: str, severity: str) -> None:
        self.dependencies.append(
            {
                "number": len(self.dependencies) + 1,
                "state": "open",
                "dependency": {"package": {"ecosystem": "pip", "name": "flask"}},
                "security_advisory": {"ghsa_id": ghsa, "cve_id": None, "summary": "a hole"},
                "security_vulnerability": {"severity": severity},
            }
        )

    def answer(self, request: Request) -> Response:
        found = self._answer(request)
        self.asked.append((request.path, found.status_code))
        return found

    def _answer(self, request: Request) -> Response:
        assert request.headers["X-GitHub-Api-Version"] == "2022-11-28"
        if self.limited is not None:
            return Response("{}", 403, self.limited)
        if (
            self.token is not None
            and request.headers.get("Authorization") != f"Bearer {self.token}"
        ):
            return Response('{"message": "Bad credentials"}', 401)
        path = request.path.removeprefix("/api/v3/repos/acme/shop/")
        if path == request.path:
            return Response('{"message": "Not Found"}', 404)
        routes: dict[str, Callable[[], Response]] = {
            "code-scanning/analyses": lambda: self._scanning(request, "analyses", self.analyses),
            "code-scanning/alerts": lambda: self._scanning(request, "alerts", self._told(request)),
            "dependabot/alerts": lambda: self._paged(
                request, "dependabot-alerts", self.dependencies
            ),
        }
        if path in routes:
            return routes[path]()
        if path.startswith("code-scanning/analyses/"):
            assert request.headers["Accept"] == "application/sarif+json"
            return Response(json.dumps(self._sarif(int(path.rpartition("/")[2]))))
        _, sha, what = path.split("/")
        if what == "status":
            listed = self.statuses.get(sha, [])
            more = {"state": "pending", "sha": sha, "total_count": len(listed)}
            return self._paged(request, "combined-commit-status", listed, "statuses", more)
        listed = self.runs.get(sha, [])
        return self._paged(
            request, "check-runs", listed, "check_runs", {"total_count": len(listed)}
        )

    def _told(self, request: Request) -> list[Any]:
        """The alerts of a state; of a ref those that its newest analysis found."""
        ref, state = request.args.get("ref"), request.args.get("state")
        newest = [n for n, a in enumerate(self.analyses) if a["ref"] == ref][-1:]
        there = set(self.holes[newest[0]]) if newest else set[int]()
        return [
            a
            for a in self.alerts
            if state in (None, a["state"]) and (ref is None or a["number"] in there)
        ]

    def _sarif(self, number: int) -> dict[str, Any]:
        """What an analysis found, as GitHub gives it: the rules in an extension of the tool."""
        found = [self.alerts[hole - 1] for hole in self.holes[number - 1]]
        score = {"low": "2.0", "medium": "5.0", "high": "8.0", "critical": "9.5"}
        rules = [
            {"id": a["rule"]["id"], "defaultConfiguration": {"level": a["rule"]["severity"]},
             "properties": {"security-severity": score[level]}
             if (level := a["rule"]["security_severity_level"]) else {}}
            for a in found
        ]  # fmt: skip
        results = [
            {
                "rule": {"id": a["rule"]["id"], "index": n, "toolComponent": {"index": 0}},
                "ruleId": a["rule"]["id"],
                "message": {"text": a["rule"]["description"]},
                "locations": [
                    {
                        "physicalLocation": {
                            "artifactLocation": {"uri": "app.py"},
                            "region": {"startLine": 3},
                        }
                    }
                ],
                "properties": {"github/alertNumber": a["number"]},
            }
            for n, a in enumerate(found)
        ]
        tool = {
            "driver": {"name": "CodeQL", "rules": [{"id": "another"}]},
            "extensions": [{"name": "codeql/python-queries", "rules": rules}],
        }
        return {"version": "2.1.0", "runs": [{"tool": tool, "results": results}]}

    def _scanning(self, request: Request, what: str, items: list[Any]) -> Response:
        if not self.scanning:
            return Response('{"message": "Advanced Security must be enabled"}', 403)
        return self._paged(request, f"code-scanning-{what}", items)

    def _paged(
        self,
        request: Request,
        schema: str,
        items: list[Any],
        key: str | None = None,
        more: dict[str, Any] | None = None,
    ) -> Response:
        page = int(request.args.get("page", "1"))
        part = items[(page - 1) * PAGE : page * PAGE]
        body: Any = part if key is None else {**(more or {}), key: part}
        Draft202012Validator(EXCERPT[schema]).validate(body)
        text = json.dumps(body)
        tag = f'W/"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
        headers = {"ETag": tag, "Content-Type": "application/json"}
        if len(items) > page * PAGE:
            onward = self.next_at or f"{self.url}{request.path[7:]}?page={page + 1}"
            headers["Link"] = f'<{onward}>; rel="next", <{onward}>; rel="last"'
        if request.headers.get("If-None-Match") == tag:
            return Response(status=304, headers=headers)
        return Response(text, 200, headers)


@contextmanager
def forge(**given: Any) -> Iterator[Forge]:
    with HTTPServer() as server:
        made = Forge(server, **given)
        server.expect_request(re.compile("/.*")).respond_with_handler(made.answer)
        yield made
