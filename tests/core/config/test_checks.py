"""The keys `checks`, `windows`, `freezes`, `openings`, `on_close`: what each becomes, or what is
wrong with it."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from orchestrate.core.config import Config, parse
from orchestrate.core.errors import ConfigInvalid, InvalidInput
from orchestrate.core.validation import Checks
from orchestrate.core.windows import Calendar

pytestmark = pytest.mark.unit

PGP = "PGP PUBLIC KEY BLOCK-----"
FILES = {
    "ci.pub": "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQ==\n-----END PUBLIC KEY-----\n",
    "ci.key": "-----BEGIN PRIVATE KEY-----\n",
    "mini.pub": "untrusted comment: minisign public key\nRW" + "A" * 54 + "\n",
    "keys.asc": f"-----BEGIN {PGP}\n\nmDME\n-----END {PGP}\n",
    "token": "orcd_something that is nobody's business\n",
}


def read_file(name: str) -> str:
    if name not in FILES:
        raise InvalidInput(f"{name}: No such file or directory")
    return FILES[name]


def read(keys: str) -> Config:
    lines = "".join(f"    {line}\n" for line in keys.splitlines())
    return parse(
        f"environments:\n  x:\n    type: dev\n    provider: local\n{lines}",
        file="orchestrate.yaml",
        root="/srv/shop",
        default_app="shop",
        variables={},
        read_file=read_file,
    )


def checks(keys: str) -> Checks:
    return read(f"checks: {keys}").environments[0].checks


def calendar(keys: str) -> Calendar:
    return read(keys).environments[0].calendar


def problem(keys: str) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        read(keys)
    return "\n".join(caught.value.why)


def test_nothing_is_asked_and_nothing_kept_out_unless_it_is_written() -> None:
    environment = read("").environments[0]
    assert (environment.checks, environment.calendar) == (Checks(), Calendar())
    assert environment.calendar.empty


def test_every_key_of_checks_reaches_its_field() -> None:
    found = checks(
        "{tests: {command: [pytest, -q, --junitxml, r.xml], junit: r.xml, timeout: 5m},"
        " security: {command: [trivy], sarif: s.sarif, threshold: medium, timeout: 1m,"
        " allow: [{id: CVE-1, reason: no path, until: 2026-12-31}]},"
        " signature: {cosign: ci.pub}, source: {repository: .., tag: 'v{version}'},"
        " github: {url: https://ghe.example/api/v3/, token: GH_TOKEN}, max_age: 1d, floor: 1.4.0,"
        " required: [signature, tests]}"
    )
    assert found.tests is not None and found.security is not None and found.signature is not None
    assert found.tests.command == ("pytest", "-q", "--junitxml", "r.xml")
    assert (found.tests.junit, found.tests.timeout_s) == ("r.xml", 300)
    assert (found.security.report, found.security.file) == ("sarif", "s.sarif")
    assert (found.security.threshold, found.security.timeout_s) == ("medium", 60)
    assert found.security.allow[0].until == date(2026, 12, 31)
    assert found.signature.cosign is not None
    assert (found.signature.cosign.file, found.signature.cosign.text) == ("ci.pub", FILES["ci.pub"])
    assert (found.source.repository, found.source.tag) == ("..", "v{version}")
    assert (found.github.url, found.github.token) == ("https://ghe.example/api/v3", "GH_TOKEN")
    assert (found.max_age_s, found.floor) == (86400, "1.4.0")
    assert found.required == ("signature", "tests")


def test_the_checks_that_must_be_at_github_are_named_and_change_no_digest_where_they_are_not() -> (
    None
):
    named = checks("{tests: {github: a/b, names: [unit tests, ci]}}")
    assert named.tests is not None and named.tests.names == ("unit tests", "ci")
    plain = checks("{tests: {github: a/b}}")
    assert "names" not in plain.model_dump()["tests"] and plain.digest != named.digest


@pytest.mark.parametrize(
    ("key", "report", "program"),
    [("pip_audit", "pip-audit", "pip-audit"), ("npm_audit", "npm-audit", "npm")],
)
def test_an_audit_has_its_usual_command_and_can_have_another(
    key: str, report: str, program: str
) -> None:
    usual = checks(f"{{security: {{{key}: true}}}}").security
    other = checks(f"{{security: {{{key}: true, command: [make, audit]}}}}").security
    assert usual is not None and other is not None
    assert (usual.report, usual.command[0], usual.file) == (report, program, None)
    assert (other.report, other.command) == (report, ("make", "audit"))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("{tests: {}}", "has none of command, github"),
        ("{tests: {command: [a], github: a/b}}", "has command and github"),
        ("{tests: {command: a b}}", "write a list of arguments"),
        ("{tests: {github: nothing}}", "write owner/repository"),
        ("{tests: {github: a/b, junit: r.xml}}", "needs a command"),
        ("{tests: {command: [a], names: [b]}}", "names checks at GitHub"),
        ("{tests: {command: [a], junit: ../r.xml}}", "leads out of the checkout"),
        ("{tests: {command: [a], junit: /etc/passwd}}", "leads out of the checkout"),
        ("{security: {command: [a]}}", "has none of sarif"),
        ("{security: {sarif: s}}", "needs a command"),
        ("{security: {pip_audit: true, npm_audit: true}}", "exactly one"),
        ("{security: {pip_audit: true, threshold: grave}}", 'is "grave"'),
        ("{security: {pip_audit: true, allow: [{id: a, reason: b}]}}", "has no until"),
        ("{security: {pip_audit: true, allow: [{id: a, reason: b, until: soon}]}}", "no day"),
        ("{security: {pip_audit: true, allow: [{id: a, reason: b, until: 2026-02-30}]}}", "no day"),
        ("{signature: {cosign: no.pub}}", "cannot be read"),
        ("{signature: {cosign: ci.key}}", "is a private key"),
        ("{signature: {cosign: ci.pub, gpg: ci.pub}}", "exactly one"),
        ("{signature: {sigstore: {identity: a}}}", "has no issuer"),
        ("{signature: {sigstore: {identity: a, issuer: http://x}}}", "not an https url"),
        ("{source: {tag: v1}}", "the same for every version"),
        ("{source: {repository: --upload-pack=x}}", "begins with -"),
        ("{github: {url: ftp://x}}", 'is "ftp://x"'),
        ("{floor: ../x}", "no version"),
        ("{floor: release-7}", "neither older nor newer"),
        ("{required: [tets]}", "did you mean tests?"),
        ("{unheard: 1}", "unknown key"),
    ],
)
def test_what_is_wrong_with_checks_is_said(keys: str, said: str) -> None:
    assert said in problem(f"checks: {keys}")


@pytest.mark.parametrize(
    ("kind", "file"), [("cosign", "ci.pub"), ("minisign", "mini.pub"), ("gpg", "keys.asc")]
)
def test_a_key_is_taken_from_a_file_that_holds_one_and_nothing_else_is(
    kind: str, file: str
) -> None:
    found = checks(f"{{signature: {{{kind}: {file}}}}}").signature
    assert found is not None and getattr(found, kind).text == FILES[file]
    for other in sorted({"ci.pub", "mini.pub", "keys.asc", "token"} - {file}):
        said = problem(f"checks: {{signature: {{{kind}: {other}}}}}")
        assert f"is no public key of {kind}" in said and "business" not in said


def test_a_token_that_was_written_in_place_of_its_name_is_not_shown() -> None:
    said = problem("checks: {github: {token: ghp-planted-1}}")
    assert "name of a secret" in said and "planted" not in said


def test_every_key_of_windows_reaches_its_field() -> None:
    found = calendar(
        'windows: [{days: "Mon, Wed-Fri", from: "9:00", to: "24:00", zone: Europe/Prague},\n'
        "  {from: 22:00, to: 02:00, zone: UTC}]\n"
        "openings: [{name: move, from: 2026-11-28 06:00, to: 2026-11-28T08:30, zone: UTC}]\n"
        "freezes: [{name: bf, from: 2026-11-26, to: 2026-11-30, zone: UTC,\n"
        "  except: [{from: 2026-11-27, to: 2026-11-27}]}]\n"
        "on_close: rollback\n"
    )
    first, second = found.windows
    assert (first.days, first.start_min, first.end_min) == ((0, 2, 3, 4), 540, 1440)
    assert (second.days, second.start_min, second.end_min) == (tuple(range(7)), 1320, 120)
    assert found.openings[0].end == datetime(2026, 11, 28, 8, 30)
    freeze = found.freezes[0]
    assert (freeze.start, freeze.end) == (datetime(2026, 11, 26), datetime(2026, 12, 1))
    assert freeze.exceptions[0].end == datetime(2026, 11, 28)
    assert found.on_close == "rollback"


def test_days_can_go_over_the_weekend() -> None:
    found = calendar('windows: [{days: Fri-Mon, from: "09:00", to: "10:00", zone: UTC}]')
    assert found.windows[0].days == (0, 4, 5, 6)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('windows: [{from: "09:00", to: "10:00"}]', "has no zone"),
        ('windows: [{from: "09:00", to: "10:00", zone: Prague}]', "no time zone"),
        ('windows: [{from: "09:00", to: "10:00", zone: ../x}]', "no time zone"),
        ('windows: [{from: "09:00", to: "09:00", zone: UTC}]', "leaves nothing"),
        ('windows: [{from: "24:00", to: "10:00", zone: UTC}]', "is 24:00"),
        ('windows: [{from: "25:00", to: "10:00", zone: UTC}]', "write a time"),
        ('windows: [{from: 9, to: "10:00", zone: UTC}]', "is the number 9"),
        ('windows: [{days: Mo, from: "09:00", to: "10:00", zone: UTC}]', "write days"),
        ("windows: []", "is empty"),
        ("freezes: [{name: a, from: 2026-02-30, to: 2026-03-01, zone: UTC}]", "write a day"),
        ("freezes: [{name: a, from: 2026-03-02, to: 2026-03-01, zone: UTC}]", "not after"),
        ("freezes: [{from: 2026-03-01, to: 2026-03-01, zone: UTC}]", "has no name"),
        ("on_close: never", "finish or hold or rollback"),
    ],
)
def test_what_is_wrong_with_windows_is_said(keys: str, said: str) -> None:
    assert said in problem(keys)


@pytest.mark.attack("SP07", "@file, ~, templates and expressions in values", "taken as they stand")
@pytest.mark.parametrize("text", ["@/etc/passwd", "~", "{{7*7}}", "T(java.lang.Runtime)", "file:x"])
def test_a_value_is_what_it_says(text: str) -> None:
    found = read(f"variables: {{A: '{text}'}}\nchecks: {{tests: {{command: ['{text}']}}}}")
    environment = found.environments[0]
    assert environment.variables == {"A": text}
    assert environment.checks.tests is not None and environment.checks.tests.command == (text,)
