"""Findings of security scans: SARIF 2.1.0, and the JSON of pip-audit and npm audit."""

import json
import re
from collections.abc import Mapping

from pydantic import JsonValue

from orchestrate.core.errors import ReportInvalid
from orchestrate.core.reports import Finding, Scan, refuse_large
from orchestrate.core.validation import Report, Severity

Json = dict[str, JsonValue]
_LEVELS: dict[str, Severity] = {"error": "high", "warning": "medium", "note": "low"}
_NPM: dict[str, Severity] = {
    "critical": "critical", "high": "high", "moderate": "medium", "low": "low", "info": "low",
}  # fmt: skip
_ADVISORY = re.compile(r"(GHSA(?:-[0-9a-z]{4}){3}|CVE-\d{4}-\d{4,})")
LONGEST = 200


def read(content: bytes, report: Report) -> Scan:
    """What a report says. Raises ReportInvalid."""
    body = _object(content, report)
    match report:
        case "sarif":
            return sarif(body)
        case "pip-audit":
            return pip_audit(body)
        case "npm-audit":
            return npm_audit(body)


def sarif(body: Json) -> Scan:
    """The results of all runs. What the scanned source itself suppresses counts: whoever writes
    the source does not thereby decide what is accepted."""
    runs = _objects(body.get("runs"))
    if body.get("version") != "2.1.0" or not runs:
        raise ReportInvalid("the report is no SARIF 2.1.0 with a run in it")
    found: list[Finding] = []
    tools: list[str] = []
    rules = 0
    for run in runs:
        for invocation in _objects(run.get("invocations")):
            if invocation.get("executionSuccessful") is False:
                raise ReportInvalid("the scan says itself that it did not succeed")
        results = run.get("results")
        if not isinstance(results, list):
            raise ReportInvalid("a run of the SARIF report has no results: it did not look")
        driver = _inner(_inner(run, "tool"), "driver")
        known = _objects(driver.get("rules"))
        rules += len(known)
        tools.append(str(driver.get("name", "scan"))[:40])
        found += [f for r in _objects(results) if (f := _result(r, known)) is not None]
    return Scan(", ".join(dict.fromkeys(tools)), tuple(found), rules, "rules")


def pip_audit(body: Json) -> Scan:
    """`{"dependencies": [{"name", "version", "vulns": [...]} or {"name", "skip_reason"}]}`."""
    dependencies = body.get("dependencies")
    if not isinstance(dependencies, list):
        raise ReportInvalid("the report is none of pip-audit")
    found: list[Finding] = []
    missed: list[str] = []
    for each in _objects(dependencies):
        name, version = str(each.get("name")), str(each.get("version"))
        if "skip_reason" in each:
            missed.append(name)
            continue
        for vuln in _objects(each.get("vulns")):
            fixed = ", ".join(_texts(vuln.get("fix_versions")))
            text = f"{name} {version}" + (f", fixed in {fixed}" if fixed else ", not fixed yet")
            names = tuple(_texts(vuln.get("aliases")))
            found.append(Finding(str(vuln.get("id")), text[:LONGEST], None, names))
    looked = len(dependencies) - len(missed)
    return Scan("pip-audit", tuple(found), looked, "packages", tuple(missed))


def npm_audit(body: Json) -> Scan:
    """Report version 2: each package with its severity and the advisories behind it."""
    if "error" in body:
        said = _inner(body, "error").get("summary") or body.get("message")
        raise ReportInvalid("npm audit did not look", why=[str(said)[:LONGEST]])
    packages = body.get("vulnerabilities")
    if body.get("auditReportVersion") != 2 or not isinstance(packages, dict):
        raise ReportInvalid("the report is none of npm audit, version 2")
    found: dict[str, Finding] = {}
    for package in packages.values():
        if not isinstance(package, dict):
            raise ReportInvalid("the report of npm audit is of another form")
        for via in _objects(package.get("via")):
            finding = _advisory(via, package)
            found[finding.id] = finding
    total = _inner(_inner(body, "metadata"), "dependencies").get("total")
    looked = total if isinstance(total, int) else 0
    if packages and not found:
        raise ReportInvalid("npm audit names vulnerable packages and no advisory")
    return Scan("npm audit", tuple(found.values()), looked, "packages")


def _result(result: Json, rules: list[Json]) -> Finding | None:
    if result.get("kind", "fail") != "fail" or result.get("baselineState") == "absent":
        return None
    rule = _rule(result, rules)
    name = str(result.get("ruleId") or _inner(result, "rule").get("id") or rule.get("id") or "?")
    level = result.get("level") or _inner(rule, "defaultConfiguration").get("level") or "warning"
    score = _inner(rule, "properties").get("security-severity")
    severity = _of_score(score) if score is not None else _LEVELS.get(str(level))
    if score is None and level == "none":
        return None
    message = str(_inner(result, "message").get("text", "")).splitlines()
    text = " ".join(part for part in (_place(result), message[0] if message else "") if part)
    return Finding(name[:LONGEST], text[:LONGEST], severity)


def _rule(result: Json, rules: list[Json]) -> Json:
    index = result.get("ruleIndex", _inner(result, "rule").get("index"))
    if isinstance(index, int) and not isinstance(index, bool) and 0 <= index < len(rules):
        return rules[index]
    return next((rule for rule in rules if rule.get("id") == result.get("ruleId")), {})


def _of_score(score: JsonValue) -> Severity | None:
    """As GitHub takes a CVSS score; None for what is no score, and blocks."""
    try:
        value = float(str(score))
    except ValueError:
        return None
    if not 0 <= value <= 10:
        return None
    return "critical" if value >= 9 else "high" if value >= 7 else "medium" if value >= 4 else "low"


def _place(result: Json) -> str:
    for location in _objects(result.get("locations")):
        physical = _inner(location, "physicalLocation")
        file = _inner(physical, "artifactLocation").get("uri")
        line = _inner(physical, "region").get("startLine")
        if isinstance(file, str):
            return f"{file}:{line}" if isinstance(line, int) else file
    return ""


def _advisory(via: Json, package: Json) -> Finding:
    url = str(via.get("url", ""))
    found = _ADVISORY.search(url)
    source = str(via.get("source", ""))
    name = found[1] if found else source or url or "?"
    severity = via.get("severity") or package.get("severity")
    text = (
        f"{via.get('name') or package.get('name')} {via.get('range', '')}: {via.get('title', '')}"
    )
    names = (source,) if found and source else ()
    return Finding(name, text[:LONGEST], _NPM.get(str(severity)), names)


def _object(content: bytes, report: Report) -> Json:
    refuse_large(content, f"the {report} report")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as problem:
        raise ReportInvalid(f"the {report} report is no JSON") from problem
    if not isinstance(found, dict):
        raise ReportInvalid(f"the {report} report is no JSON object")
    return found


def _inner(value: Mapping[str, JsonValue], key: str) -> Json:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _objects(value: JsonValue) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _texts(value: JsonValue) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
