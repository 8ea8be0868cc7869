"""What a new revision is asked: the key `verify` of an environment, and files of smoke tests."""

import re
from typing import get_args

from orchestrate.core.config.checks import Reader
from orchestrate.core.config.lists import arguments, each_table, texts
from orchestrate.core.config.nodes import Items, Node, Scalar, Table, read
from orchestrate.core.config.problems import Place, Problems, plain
from orchestrate.core.config.scalars import Value, kind_of
from orchestrate.core.config.section import Section
from orchestrate.core.errors import InvalidInput
from orchestrate.core.jsonpath import parts_of
from orchestrate.core.verification import (
    Endpoint,
    Expect,
    LogRules,
    Method,
    RequestRules,
    SmokeCommand,
    SmokeRequest,
    Verification,
    VersionRule,
)

VERIFY_KEYS = (
    "smoke",
    "commands",
    "endpoints",
    "version",
    "logs",
    "requests",
    "restarts",
    "patience",
    "before_traffic",
)
REQUEST_KEYS = ("name", "method", "path", "headers", "body", "timeout", "expect", "capture")
EXPECT_KEYS = ("status", "headers", "json", "contains", "within")
COMMAND_KEYS = ("name", "command", "timeout")
ENDPOINT_KEYS = ("path", "status", "good", "bad", "of", "interval", "timeout")
VERSION_KEYS = ("path", "header", "json")
LOG_KEYS = ("patterns", "allow", "at_least", "times", "lines")
TRAFFIC_KEYS = ("max_error_ratio", "max_latency", "quantile", "window", "min_requests", "no_data")
_HEADER = re.compile(r"[A-Za-z0-9-]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DAY_S = 86400.0
_PATH = "write a path such as /healthz"
_JSON = "write a path such as $.items[0].id"


def verification_of(section: Section, read_file: Reader) -> Verification:
    """What the environment asks of a new revision."""
    usual = Verification()
    settings = section.section("verify", VERIFY_KEYS)
    if settings is None:
        return usual
    return Verification(
        smoke=_smoke(settings, read_file),
        commands=tuple(_command(s) for s in each_table(settings, "commands", COMMAND_KEYS)),
        endpoints=tuple(_endpoint(s) for s in each_table(settings, "endpoints", ENDPOINT_KEYS)),
        version=_version(settings),
        logs=_logs(settings),
        requests=_requests(settings),
        restarts=settings.whole("restarts", usual.restarts, 0, 1000),
        patience_s=settings.duration("patience", usual.patience_s, 3600),
        before_traffic=settings.flag("before_traffic", usual.before_traffic),
    )


def _smoke(settings: Section, read_file: Reader) -> tuple[SmokeRequest, ...]:
    """Requests written here, or the file that holds them."""
    if "smoke" not in settings.entries:
        return ()
    node = settings.entries["smoke"][1]
    if not isinstance(node, Scalar):
        return tuple(_request(s) for s in each_table(settings, "smoke", REQUEST_KEYS))
    name = settings.text("smoke", None, "write requests, or the name of a file that holds them")
    if name is None:
        return ()
    try:
        text = read_file(name)
    except InvalidInput as error:
        settings.wrong("smoke", f"names a file: {error.message}", "name one that is there")
        return ()
    return _from_file(settings, name, text)


def _from_file(settings: Section, name: str, text: str) -> tuple[SmokeRequest, ...]:
    """The requests of a file of their own: a list, or a mapping with the one key `requests`."""
    own = Problems(name, text)
    tree = read(text, own)
    found: list[SmokeRequest] = []
    if tree is not None:
        top = tree
        if isinstance(tree, Table):
            whole = Section("", tree, own, ("requests",))
            whole.require("requests")
            top = (
                whole.entries["requests"][1]
                if "requests" in whole.entries
                else Items(tree.place, ())
            )
        found = [_request(s) for s in _tables(top, own)]
    if own:
        for said in own.error().why:
            settings.wrong("smoke", f"names {said}", "correct it there")
    elif not found:
        settings.wrong("smoke", f"names {plain(name)}, which holds no request", "write one")
    return tuple(found)


def _tables(node: Node, problems: Problems) -> list[Section]:
    if not isinstance(node, Items):
        problems.add(node.place, f"is {kind_of(node)}", "write a list of requests")
        return []
    return [
        Section(f"[{n}]", each, problems, REQUEST_KEYS, each.place)
        for n, each in enumerate(node.nodes)
    ]


def _request(section: Section) -> SmokeRequest:
    section.require("path")
    usual = SmokeRequest(name="-", path="/")
    path = _path(section, "path", "/")
    method = section.choice("method", get_args(Method)) or "GET"
    return SmokeRequest.model_validate(
        {
            "name": section.text("name", f"{method} {path}", "write a few words"),
            "method": method,
            "path": path,
            "headers": _mapping(section, "headers", _HEADER, "the name of a header"),
            "body": section.json("body") if "body" in section.entries else None,
            "timeout_s": section.duration("timeout", usual.timeout_s, 60),
            "expect": _expect(section),
            "capture": _capture(section),
        }
    )


def _expect(section: Section) -> Expect:
    expect = section.section("expect", EXPECT_KEYS)
    if expect is None:
        return Expect()
    values: dict[str, Value] = {}
    wanted = expect.section("json", None)
    for path in wanted.entries if wanted else ():
        assert wanted is not None
        if _is_path(wanted, path, wanted.entries[path][0].place):
            values[path] = wanted.json(path)
    return Expect.model_validate(
        {
            "status": expect.whole("status", 200, 100, 599),
            "headers": _mapping(expect, "headers", _HEADER, "the name of a header"),
            "values": values,
            "contains": expect.text("contains", None, "write a text the answer holds"),
            "within_s": expect.duration("within", None, 60),
        }
    )


def _capture(section: Section) -> dict[str, str]:
    found = _mapping(section, "capture", _NAME, "a name of letters, digits and _")
    kept: dict[str, str] = {}
    for name, where in found.items():
        place = section.entries["capture"][1].place
        if where.startswith("header:") or _is_path(section, where, place):
            kept[name] = where
    return kept


def _command(section: Section) -> SmokeCommand:
    section.require("command")
    command = arguments(section, "command") or ("true",)
    return SmokeCommand(
        name=section.text("name", command[0], "write a few words"),
        command=command,
        timeout_s=section.duration("timeout", 60.0, 3600),
    )


def _endpoint(section: Section) -> Endpoint:
    section.require("path")
    usual = Endpoint(path="/")
    found = Endpoint(
        path=_path(section, "path", "/"),
        status=section.whole("status", usual.status, 100, 599),
        good=section.whole("good", usual.good, 1, 100),
        bad=section.whole("bad", usual.bad, 1, 100),
        of=section.whole("of", usual.of, 1, 100),
        interval_s=section.duration("interval", usual.interval_s, 60),
        timeout_s=section.duration("timeout", usual.timeout_s, 60),
    )
    if max(found.good, found.bad) > found.of:
        section.problems.add(
            section.place, f"{section.name}: good and bad are of `of`", "write at most `of`"
        )
    elif found.good + found.bad <= found.of:
        section.problems.add(
            section.place,
            f"{section.name}: {found.good} good and {found.bad} bad of {found.of} can both be true",
            "raise good or bad, so that together they are more than `of`",
        )
    return found


def _version(settings: Section) -> VersionRule | None:
    rule = settings.section("version", VERSION_KEYS)
    if rule is None:
        return None
    header = rule.text("header", None, "write a header's name, such as X-Version")
    if header is not None and not _HEADER.fullmatch(header):
        rule.wrong("header", "is not the name of a header", "write one such as X-Version")
        header = None
    value = rule.text("json", None, _JSON)
    if value is not None and not _is_path(rule, value, rule.entries["json"][1].place):
        value = None
    if not {"header", "json"} & rule.entries.keys():
        rule.problems.add(rule.place, f"{rule.name} says nowhere to look", "add `header` or `json`")
    return VersionRule(path=_path(rule, "path", "/version"), header=header, value=value)


def _logs(settings: Section) -> LogRules | None:
    rules = settings.section("logs", LOG_KEYS)
    if rules is None:
        return None
    usual = LogRules()
    return LogRules(
        patterns=texts(rules, "patterns") or usual.patterns,
        allow=texts(rules, "allow"),
        at_least=rules.whole("at_least", usual.at_least, 1, 10_000),
        times=rules.above("times", usual.times, 1, 1000, "such as 3"),
        lines=rules.whole("lines", usual.lines, 10, 5000),
    )


def _requests(settings: Section) -> RequestRules | None:
    rules = settings.section("requests", TRAFFIC_KEYS)
    if rules is None:
        return None
    usual = RequestRules()
    quantile = rules.ratio("quantile", usual.quantile)
    if quantile == 1:
        rules.wrong("quantile", "is 1", "write a share below 1, such as 0.95")
        quantile = usual.quantile
    skips = rules.choice("no_data", ("hold", "skip")) == "skip"
    return RequestRules(
        max_error_ratio=rules.ratio("max_error_ratio", usual.max_error_ratio),
        max_latency_s=rules.duration("max_latency", None, 600),
        quantile=quantile,
        window_s=rules.duration("window", usual.window_s, _DAY_S),
        min_requests=rules.whole("min_requests", usual.min_requests, 1, 1_000_000_000),
        no_data="skip" if skips else "hold",
    )


def _path(section: Section, key: str, default: str) -> str:
    path = section.text(key, default, _PATH)
    if re.fullmatch(r"/[!-\"$-~]*", path):
        return path
    section.wrong(key, "is not a path of a url", _PATH)
    return default


def _is_path(section: Section, path: str, place: Place) -> bool:
    try:
        parts_of(path)
    except InvalidInput as error:
        section.problems.add(place, f"{section.name}: {error.message}", _JSON)
        return False
    return True


def _mapping(section: Section, key: str, named: re.Pattern[str], what: str) -> dict[str, str]:
    """Texts by name."""
    entries = section.section(key, None)
    found: dict[str, str] = {}
    for name, (scalar, _) in entries.entries.items() if entries else ():
        assert entries is not None
        value = entries.text(name, None, "write a text")
        if not named.fullmatch(name):
            section.problems.add(scalar.place, f"{plain(name)} is not {what}", "rename it")
        elif value is not None:
            found[name] = value
    return found
