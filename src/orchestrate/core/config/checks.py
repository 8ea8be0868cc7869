"""What must be known before a deployment: the key `checks` of an environment."""

import re
from collections.abc import Callable
from datetime import date
from urllib.parse import urlsplit

from orchestrate.core.config.lists import arguments, each_table, texts
from orchestrate.core.config.problems import shown
from orchestrate.core.config.section import YEAR_S, Section, suggestion
from orchestrate.core.errors import InvalidInput, OrchestrateError
from orchestrate.core.names import check_version, is_ordered
from orchestrate.core.validation import (
    GITHUB,
    NAMES,
    SEVERITIES,
    Allowance,
    Checks,
    GitHub,
    Key,
    Name,
    Report,
    Security,
    Severity,
    Signature,
    Sigstore,
    Source,
    Tests,
)

CHECK_KEYS = (
    "tests",
    "security",
    "signature",
    "source",
    "github",
    "max_age",
    "floor",
    "required",
)
TEST_KEYS = ("command", "junit", "timeout", "github", "names")
SECURITY_KEYS = (
    "command",
    "sarif",
    "pip_audit",
    "npm_audit",
    "timeout",
    "github",
    "threshold",
    "allow",
)
ALLOW_KEYS = ("id", "reason", "until")
SIGNATURE_KEYS = ("cosign", "sigstore", "gpg", "minisign")
SIGSTORE_KEYS = ("identity", "issuer")
SOURCE_KEYS = ("repository", "tag")
GITHUB_KEYS = ("url", "token")
AUDITS: dict[str, tuple[Report, tuple[str, ...]]] = {
    "pip_audit": ("pip-audit", ("pip-audit", "--format=json", "--progress-spinner=off", ".")),
    "npm_audit": ("npm-audit", ("npm", "audit", "--json")),
}
"""What `pip_audit: true` and `npm_audit: true` run, unless `command` says it."""
_REPOSITORY = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")
_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PUBLIC = {
    "cosign": re.compile(
        r"-----BEGIN (RSA )?PUBLIC KEY-----\s[\sA-Za-z0-9+/=]+-----END (RSA )?PUBLIC KEY-----"
    ),
    "gpg": re.compile(
        r"-----BEGIN PGP PUBLIC KEY BLOCK-----\s.+-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL
    ),
    "minisign": re.compile(r"([^\n]*\n)?RW[A-Za-z0-9+/]{54}"),
}
"""What the file of a key holds."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TIMEOUT_S = 1800.0
_LONGEST_S = 86400.0
Reader = Callable[[str], str]
"""The text of a file, by its name relative to orchestrate.yaml. Raises InvalidInput."""


def checks_of(section: Section, read_file: Reader) -> Checks:
    """What the environment asks of a version before it is deployed."""
    checks = section.section("checks", CHECK_KEYS)
    if checks is None:
        return Checks()
    return Checks(
        tests=_tests(checks),
        security=_security(checks),
        signature=_signature(checks, read_file),
        source=_source(checks),
        github=_github(checks),
        max_age_s=checks.duration("max_age", Checks().max_age_s, YEAR_S),
        floor=_floor(checks),
        required=_required(checks),
    )


def _tests(checks: Section) -> Tests | None:
    tests = checks.section("tests", TEST_KEYS)
    if tests is None:
        return None
    command, github = arguments(tests, "command"), _repository(tests)
    _one_of(tests, "command", "github")
    if "junit" in tests.entries and not command:
        tests.wrong("junit", "needs a command that leaves it", "add `command`")
    names = texts(tests, "names")
    if names and github is None:
        tests.wrong("names", "names checks at GitHub", "give `github`, or leave it out")
    return Tests(
        command=command,
        junit=_inside(tests, "junit"),
        timeout_s=tests.duration("timeout", _TIMEOUT_S, _LONGEST_S),
        github=github,
        names=names,
    )


def _security(checks: Section) -> Security | None:
    security = checks.section("security", SECURITY_KEYS)
    if security is None:
        return None
    audits = [name for name in AUDITS if security.flag(name, False)]
    _one_of(security, "sarif", *AUDITS, "github")
    report: Report = "sarif"
    command = arguments(security, "command")
    if audits:
        report, usual = AUDITS[audits[0]]
        command = command or usual
    elif "sarif" in security.entries and not command:
        security.wrong("sarif", "needs a command that leaves it", "add `command`")
    return Security(
        command=command,
        report=report,
        file=_inside(security, "sarif"),
        timeout_s=security.duration("timeout", _TIMEOUT_S, _LONGEST_S),
        github=_repository(security),
        threshold=_severity(security),
        allow=tuple(
            found
            for each in each_table(security, "allow", ALLOW_KEYS)
            if (found := _allowance(each)) is not None
        ),
    )


def _severity(security: Section) -> Severity:
    word = security.choice("threshold", SEVERITIES)
    return next((each for each in SEVERITIES if each == word), "high")


def _allowance(allow: Section) -> Allowance | None:
    allow.require(*ALLOW_KEYS)
    name = allow.text("id", None, "write the id of the finding, such as CVE-2026-30112")
    reason = allow.text("reason", None, "write why it is accepted")
    until = allow.text("until", None, right := "write the last day, such as 2026-12-31")
    if name is None or reason is None or until is None:
        return None
    try:
        day = date.fromisoformat(until) if _DAY.fullmatch(until) else None
    except ValueError:
        day = None
    if day is None:
        allow.wrong("until", f"is {shown(until)}, which is no day", right)
        return None
    return Allowance(id=name, reason=reason, until=day)


def _signature(checks: Section, read_file: Reader) -> Signature | None:
    signature = checks.section("signature", SIGNATURE_KEYS)
    if signature is None:
        return None
    _one_of(signature, *SIGNATURE_KEYS)
    return Signature(
        cosign=_key(signature, "cosign", read_file),
        sigstore=_sigstore(signature),
        gpg=_key(signature, "gpg", read_file),
        minisign=_key(signature, "minisign", read_file),
    )


def _sigstore(signature: Section) -> Sigstore | None:
    sigstore = signature.section("sigstore", SIGSTORE_KEYS)
    if sigstore is None:
        return None
    sigstore.require(*SIGSTORE_KEYS)
    identity = sigstore.text("identity", None, "write who signs, such as ci@example.com")
    issuer = sigstore.text(
        "issuer", None, right := "write an issuer such as https://accounts.google.com"
    )
    if identity is None or issuer is None:
        return None
    if not issuer.startswith("https://"):
        sigstore.wrong("issuer", f"is {shown(issuer)}, not an https url", right)
        return None
    return Sigstore(identity=identity, issuer=issuer)


def _key(signature: Section, kind: str, read_file: Reader) -> Key | None:
    name = signature.text(kind, None, "write the name of the file with the public key")
    if name is None:
        return None
    try:
        text = read_file(name)
    except InvalidInput as problem:
        signature.wrong(kind, f"cannot be read: {problem.message}", "write a file that is there")
        return None
    if "PRIVATE KEY" in text or "SECRET KEY" in text.upper():
        signature.wrong(kind, "is a private key", "write the file with the public key")
        return None
    if _PUBLIC[kind].fullmatch(text.strip()) is None:
        # Kept and shown as it is: what is no key may be anything that its reader can read.
        signature.wrong(kind, f"is no public key of {kind}", "write the file with the public key")
        return None
    return Key(file=name, text=text)


def _source(checks: Section) -> Source:
    source = checks.section("source", SOURCE_KEYS)
    if source is None:
        return Source()
    tag = source.text("tag", None, right := "write a tag such as v{version}")
    if tag is not None and "{version}" not in tag:
        source.wrong("tag", f"is {shown(tag)}, the same for every version", right)
    repository = source.text("repository", None, "write a path or an address of a git repository")
    if repository is not None and repository.startswith("-"):
        source.wrong("repository", "begins with -", "write a path or an address")
        repository = None
    return Source(repository=repository, tag=tag)


def _github(checks: Section) -> GitHub:
    github = checks.section("github", GITHUB_KEYS)
    if github is None:
        return GitHub()
    url = github.text("url", GITHUB, right := f"write the url of the API, such as {GITHUB}")
    try:
        parts = urlsplit(url)
        good = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        )
    except ValueError:
        good = False
    if not good:
        github.wrong("url", f"is {shown(url)}", right)
        url = GITHUB
    token = github.text("token", None, name := "write the name of a secret of this environment")
    if token is not None and not _SECRET.fullmatch(token):
        # Not shown: it may be the token itself.
        github.wrong("token", "is not the name of a secret", name)
        token = None
    return GitHub(url=url.rstrip("/"), token=token)


def _floor(checks: Section) -> str | None:
    floor = checks.text("floor", None, right := "write a version, such as 1.4.0")
    if floor is None:
        return None
    try:
        check_version(floor)
    except OrchestrateError:
        checks.wrong("floor", f"is {shown(floor)}, which is no version", right)
        return None
    if not is_ordered(floor):
        checks.wrong("floor", f"is {shown(floor)}, which is neither older nor newer", right)
        return None
    return floor


def _required(checks: Section) -> tuple[Name, ...]:
    found: list[Name] = []
    for text in texts(checks, "required"):
        name = next((each for each in NAMES if each == text), None)
        if name is None:
            hint = suggestion(text, NAMES) + f"known are {', '.join(NAMES)}"
            checks.wrong("required", f"holds {shown(text)}", hint)
        else:
            found.append(name)
    return tuple(found)


def _one_of(section: Section, *keys: str) -> None:
    """Exactly one of `keys` says where the answer comes from."""
    there = [key for key in keys if key in section.entries]
    if len(there) != 1:
        said = f"has {' and '.join(there)}" if there else f"has none of {', '.join(keys)}"
        section.problems.add(section.place, f"{section.name} {said}", "give exactly one of them")


def _repository(section: Section) -> str | None:
    name = section.text("github", None, right := "write owner/repository")
    if name is not None and not _REPOSITORY.fullmatch(name):
        section.wrong("github", f"is {shown(name)}", right)
        return None
    return name


def _inside(section: Section, key: str) -> str | None:
    """A path within the checkout."""
    path = section.text(key, None, right := "write a path within the checkout, such as report.xml")
    if path is not None and (path.startswith(("/", "~")) or ".." in path.split("/")):
        section.wrong(key, f"is {shown(path)}, which leads out of the checkout", right)
        return None
    return path
