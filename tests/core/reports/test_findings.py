"""Reports of security scans: severities, and what does not count as having looked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrate.core.errors import ReportInvalid
from orchestrate.core.reports import Scan
from orchestrate.core.reports.findings import read

pytestmark = pytest.mark.unit

SARIF: dict[str, Any] = {
    "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
    "version": "2.1.0",
    "runs": [
        {
            "tool": {
                "driver": {
                    "name": "Trivy",
                    "rules": [
                        {
                            "id": "CVE-2026-30112",
                            "properties": {"security-severity": "8.1"},
                            "defaultConfiguration": {"level": "error"},
                        },
                        {"id": "B101", "defaultConfiguration": {"level": "note"}},
                    ],
                }
            },
            "results": [
                {
                    "ruleId": "CVE-2026-30112",
                    "ruleIndex": 0,
                    "level": "warning",
                    "message": {"text": "libxml2 2.12.1: overflow\nmore"},
                    "locations": [
                        {
                            "physicalLocation": {
                                "artifactLocation": {"uri": "Dockerfile"},
                                "region": {"startLine": 3},
                            }
                        }
                    ],
                },
                {"ruleId": "B101", "message": {"text": "assert used"}},
            ],
        }
    ],
}
PIP: dict[str, Any] = {
    "dependencies": [
        {"name": "flask", "version": "0.5", "vulns": [
            {"id": "PYSEC-2019-179", "fix_versions": ["1.0"],
             "aliases": ["CVE-2019-1010083", "GHSA-5wv5-4vpf-pj6m"], "description": "..."}]},
        {"name": "click", "version": "8.1.7", "vulns": []},
        {"name": "shop", "skip_reason": "Dependency not found on PyPI: shop (1.0.0)"},
    ],
    "fixes": [],
}  # fmt: skip
NPM: dict[str, Any] = {
    "auditReportVersion": 2,
    "vulnerabilities": {
        "minimist": {
            "name": "minimist", "severity": "critical", "isDirect": False, "effects": ["mkdirp"],
            "via": [{"source": 1097678, "name": "minimist", "dependency": "minimist",
                     "title": "Prototype Pollution in minimist",
                     "url": "https://github.com/advisories/GHSA-xvch-5gv4-984h",
                     "severity": "critical", "range": "<0.2.4"}],
            "range": "<=0.2.3", "nodes": ["node_modules/minimist"], "fixAvailable": True},
        "mkdirp": {"name": "mkdirp", "severity": "critical", "isDirect": True,
                   "via": ["minimist"], "effects": [], "range": "0.4.1 - 0.5.1",
                   "nodes": ["node_modules/mkdirp"], "fixAvailable": True},
    },
    "metadata": {"vulnerabilities": {"critical": 2, "total": 2},
                 "dependencies": {"prod": 3, "dev": 0, "total": 3}},
}  # fmt: skip


def scan(body: Any, report: Any = "sarif") -> Scan:
    return read(json.dumps(body).encode(), report)


def result(**fields: Any) -> Any:
    body = json.loads(json.dumps(SARIF))
    body["runs"][0]["results"] = [{"message": {"text": "x"}, **fields}]
    return body


def severity(**fields: Any) -> Any:
    found = scan(result(**fields)).findings
    return found[0].severity if found else "not counted"


def test_the_score_of_a_rule_beats_the_level_of_a_result() -> None:
    first, second = scan(SARIF).findings
    assert (first.id, first.severity) == ("CVE-2026-30112", "high")
    assert first.text == "Dockerfile:3 libxml2 2.12.1: overflow"
    assert (second.id, second.severity) == ("B101", "low")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"ruleId": "x", "level": "error"}, "high"),
        ({"ruleId": "x", "level": "warning"}, "medium"),
        ({"ruleId": "x", "level": "note"}, "low"),
        ({"ruleId": "x"}, "medium"),
        ({"ruleId": "x", "level": "none"}, "not counted"),
        ({"ruleId": "x", "level": "unheard"}, None),
        ({"ruleId": "x", "kind": "pass"}, "not counted"),
        ({"ruleId": "x", "baselineState": "absent"}, "not counted"),
        ({"ruleId": "x", "level": "error", "suppressions": [{"kind": "inSource"}]}, "high"),
        ({"ruleIndex": 0}, "high"),
        ({"rule": {"index": 1}}, "low"),
    ],
)
def test_each_result_has_its_severity(fields: dict[str, Any], expected: Any) -> None:
    assert severity(**fields) == expected


@pytest.mark.parametrize(
    ("score", "expected"),
    [("9.0", "critical"), ("8.9", "high"), ("7.0", "high"), (6.9, "medium"), ("3.9", "low"),
     ("0.0", "low"), ("11", None), ("nan", None), ("high", None)],
)  # fmt: skip
def test_a_score_is_a_severity(score: Any, expected: Any) -> None:
    body = json.loads(json.dumps(SARIF))
    body["runs"][0]["tool"]["driver"]["rules"][0]["properties"]["security-severity"] = score
    assert scan(body).findings[0].severity == expected


def test_a_finding_without_a_severity_is_at_least_everything() -> None:
    (found,) = scan(PIP, "pip-audit").findings
    assert found.severity is None and found.at_least("critical")


def test_pip_audit_names_what_it_skipped() -> None:
    found = scan(PIP, "pip-audit")
    assert (found.looked_at, found.missed) == (2, ("shop",))
    assert found.findings[0].text == "flask 0.5, fixed in 1.0"
    assert "CVE-2019-1010083" in found.findings[0].names


def test_npm_audit_counts_each_advisory_once() -> None:
    found = scan(NPM, "npm-audit")
    assert [(f.id, f.severity) for f in found.findings] == [("GHSA-xvch-5gv4-984h", "critical")]
    assert found.looked_at == 3


@pytest.mark.attack("AR10", "a scan report that does not show that anything was looked at", "error")
@pytest.mark.parametrize(
    ("report", "body"),
    [
        ("sarif", {"version": "2.1.0", "runs": []}),
        ("sarif", {"version": "2.0.0", "runs": SARIF["runs"]}),
        ("sarif", {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}}]}),
        ("sarif", {"version": "2.1.0", "runs": [
            {"results": [], "invocations": [{"executionSuccessful": False}]}]}),
        ("pip-audit", {}),
        ("pip-audit", SARIF),
        ("npm-audit", {"error": {"code": "ENOLOCK", "summary": "needs a lockfile"}}),
        ("npm-audit", {"message": "request failed"}),
        ("npm-audit", {"auditReportVersion": 1, "vulnerabilities": {}}),
        ("npm-audit", {"auditReportVersion": 2, "vulnerabilities": {"a": {"via": ["b"]}}}),
        ("npm-audit", []),
        ("pip-audit", {"dependencies": []}),
        ("npm-audit", {"auditReportVersion": 2, "vulnerabilities": {}}),
        ("npm-audit", {"auditReportVersion": 2, "vulnerabilities": {},
                       "metadata": {"dependencies": {"total": 0}}}),
    ],
)  # fmt: skip
def test_a_report_without_an_answer_is_none(report: str, body: Any) -> None:
    with pytest.raises(ReportInvalid):
        scan(body, report)


@pytest.mark.parametrize("content", [b"", b"not json", b"[" * 200_000, b"\xff\xfe"])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(ReportInvalid):
        read(content, "sarif")


def test_the_rule_of_a_result_is_that_of_the_extension_it_names() -> None:
    """As CodeQL writes it: the driver has rules of other numbers, or none."""
    body = json.loads(json.dumps(SARIF))
    (run,) = body["runs"]
    grave = {"id": "py/sql", "properties": {"security-severity": "9.5"}}
    run["tool"]["driver"]["rules"] = [{"id": "note", "defaultConfiguration": {"level": "note"}}]
    run["tool"]["extensions"] = [{"name": "queries", "rules": [grave]}]
    by_index = {"rule": {"index": 0, "toolComponent": {"index": 0}}}
    run["results"] = [{"ruleId": "py/sql", **by_index}, {"ruleId": "py/sql"}, by_index]
    assert [f.severity for f in scan(body).findings] == ["critical"] * 3
    assert {f.id for f in scan(body).findings} == {"py/sql"}
