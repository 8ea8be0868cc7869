"""Findings of security scans: SARIF 2.1.0, and the JSON of pip-audit and npm audit."""

import json
import re
from collections.abc import Mapping, Sequence

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
_LOOK = "see that it looks at what the version depends on; without any, take checks.security out"
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
        parts = [driver, *_objects(_inner(run, "tool").get("extensions"))]
        known = [_objects(part.get("rules")) for part in parts]
        rules += sum(map(len, known))
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
    if not dependencies:
        raise ReportInvalid("pip-audit looked at no package", fix=[_LOOK])
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
    if not looked and not found:
        raise ReportInvalid("npm audit looked at no package", fix=[_LOOK])
    return Scan("npm audit", tuple(found.values()), looked, "packages")


def alert_name(number: JsonValue) -> str:
    """What a finding that is GitHub's alert of that number is called beside its rule."""
    return f"alert {number}"


def _result(result: Json, rules: list[list[Json]]) -> Finding | None:
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
    number = _inner(result, "properties").get("github/alertNumber")
    names = (alert_name(number),) if number is not None else ()
    return Finding(name[:LONGEST], text[:LONGEST], severity, names)


def _rule(result: Json, rules: list[list[Json]]) -> Json:
    """The rule of a result: by its index in the driver, or in the extension that it names (as
    CodeQL's do), else by its id in any of them."""
    rule = _inner(result, "rule")
    extension = _index(_inner(rule, "toolComponent").get("index"), rules[1:])
    part = rules[0] if extension is None else rules[1 + extension]
    index = _index(result.get("ruleIndex", rule.get("index")), part)
    if index is not None:
        return part[index]
    name = result.get("ruleId") or rule.get("id")
    return next((each for part in rules for each in part if each.get("id") == name), {})


def _index(value: JsonValue, items: Sequence[object]) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(items)
    return value if good and isinstance(value, int) else None


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
