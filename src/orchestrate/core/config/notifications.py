"""Who is told of what: the key `notifications` of an environment."""

import re
from collections.abc import Collection
from typing import Literal

from orchestrate.core.config.nodes import Items, Scalar
from orchestrate.core.config.problems import shown
from orchestrate.core.config.scalars import kind_of
from orchestrate.core.config.section import Section, suggestion
from orchestrate.core.notification import (
    CHOICES,
    USUAL,
    Apprise,
    Happening,
    Mail,
    Notification,
    Sink,
    Webhook,
)

SINKS = ("webhook", "mail", "apprise")
KEYS = ("events", *SINKS)
WEBHOOK_KEYS = ("url", "url_secret", "format", "sign_with")
MAIL_KEYS = ("host", "port", "security", "user", "password_secret", "from", "to")
APPRISE_KEYS = ("url_secret",)
_FORMATS: dict[str, Literal["json", "slack", "teams"]] = {
    "json": "json",
    "slack": "slack",
    "teams": "teams",
}
_SECURITY: dict[str, Literal["starttls", "tls", "none"]] = {
    "starttls": "starttls",
    "tls": "tls",
    "none": "none",
}
_ADDRESS = re.compile(r"[^@\s<>\"]+@[^@\s<>\"]+")
_URL = re.compile(r"https?://[^\s@]+")


def notifications_of(section: Section, secrets: Collection[str]) -> tuple[Notification, ...]:
    """The notifications of an environment that names `secrets`."""
    named = section.section("notifications", None)
    if named is None:
        return ()
    found = [_notification(named, name, secrets) for name in named.entries]
    return tuple(each for each in found if each is not None)


def _notification(named: Section, name: str, secrets: Collection[str]) -> Notification | None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", name):
        place = named.entries[name][0].place
        named.problems.add(
            place, f"{shown(name)} cannot be the name of a notification", "write one such as `team`"
        )
    section = named.section(name, KEYS)
    if section is None:
        return None
    given = [key for key in SINKS if key in section.entries]
    if len(given) != 1:
        section.problems.add(
            section.place,
            f"{section.name} has {'no' if not given else 'more than one'} way to be sent",
            f"write one of {', '.join(SINKS)}",
        )
        return None
    sink = _sink(section, given[0])
    if sink is None:
        return None
    notification = Notification(name=name, events=_events(section), sink=sink)
    for secret in notification.secrets:
        if secret not in secrets:
            section.wrong(
                given[0],
                f"needs the secret {secret}, which is not among the environment's secrets",
                f"add it: secrets: {{{secret}: ${{{secret}}}}}",
            )
    return notification


def _sink(section: Section, kind: str) -> Sink | None:
    match kind:
        case "webhook":
            return _webhook(section)
        case "mail":
            return _mail(section)
        case _:
            return _apprise(section)


def _webhook(section: Section) -> Webhook | None:
    given = section.section("webhook", WEBHOOK_KEYS)
    if given is None:
        return None
    url = given.text("url", None, right := "write one such as https://hooks.example.com/deploys")
    secret = given.text("url_secret", None, "write the name of a secret")
    if (url is None) == (secret is None):
        given.problems.add(
            given.place,
            f"{given.name} has {'neither' if url is None else 'both'} url "
            f"{'nor' if url is None else 'and'} url_secret",
            "write the address, or the secret that holds it where it has a token",
        )
        return None
    if url is not None and not _URL.fullmatch(url):
        given.wrong("url", "is not an http or https url without a user name", right)
    choice = given.choice("format", tuple(_FORMATS))
    return Webhook(
        url=url,
        url_secret=secret,
        format=_FORMATS[choice or "json"],
        sign_with=given.text("sign_with", None, "write the name of a secret"),
    )


def _mail(section: Section) -> Mail | None:
    given = section.section("mail", MAIL_KEYS)
    if given is None:
        return None
    given.require("host", "from", "to")
    host = given.text("host", None, "write a host such as smtp.example.com")
    sender = given.text("from", None, "write an address such as deploys@example.com")
    to = _list(given, "to", "write addresses, such as [oncall@example.com]")
    for key, address in [("from", sender), *(("to", each) for each in to)]:
        if address is not None and not _ADDRESS.fullmatch(address):
            given.wrong(key, f"holds {shown(address)}", "write an address such as lee@example.com")
            return None
    choice = given.choice("security", tuple(_SECURITY))
    user = given.text("user", None, "write the user's name")
    password = given.text("password_secret", None, "write the name of a secret")
    if (user is None) != (password is None):
        given.problems.add(
            given.place, f"{given.name} has one of user and password_secret", "write both, or none"
        )
    if user is not None and choice == "none":
        wrong = "is none, and the password would go readable"
        given.wrong("security", wrong, "write starttls or tls")
    if host is None or sender is None or not to:
        return None
    return Mail(
        host=host,
        port=given.whole("port", 587, 1, 65535),
        security=_SECURITY[choice or "starttls"],
        user=user,
        password_secret=password,
        sender=sender,
        to=tuple(to),
    )


def _apprise(section: Section) -> Apprise | None:
    given = section.section("apprise", APPRISE_KEYS)
    if given is None:
        return None
    given.require("url_secret")
    secret = given.text("url_secret", None, "write the name of a secret")
    return Apprise(url_secret=secret) if secret else None


def _events(section: Section) -> tuple[Happening, ...]:
    names = tuple(each.value for each in CHOICES)
    given = _list(section, "events", f"write a list of {', '.join(names)}")
    found: list[Happening] = []
    for name in given:
        if name in names:
            found.append(Happening(name))
        else:
            right = suggestion(name, names) + f"known are {', '.join(names)}"
            section.wrong("events", f"holds {shown(name)}", right)
    return tuple(dict.fromkeys(found)) if "events" in section.entries else USUAL


def _list(section: Section, key: str, right: str) -> list[str]:
    """A list of texts; one text alone counts as a list of it."""
    if key not in section.entries:
        return []
    node = section.entries[key][1]
    nodes = node.nodes if isinstance(node, Items) else [node]
    found = [each.text for each in nodes if isinstance(each, Scalar) and each.text]
    if len(found) < len(nodes) or not nodes:
        section.wrong(key, f"is {kind_of(node)}", right)
    return found
