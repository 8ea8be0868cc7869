"""A secret is written down nowhere, by no usual route."""

import copy
import dataclasses
import json
import logging
import pickle
import pprint
import string
import traceback
from collections.abc import Callable

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from orchestrate.core.canonical import canonical
from orchestrate.core.secret import MASK, Secret

pytestmark = pytest.mark.unit

VALUE = "planted-value-é-☃"


class Holder(BaseModel):
    key: Secret


@dataclasses.dataclass
class Record:
    key: Secret


ROUTES: dict[str, Callable[[Secret], object]] = {
    "repr": repr,
    "str": str,
    "ascii": ascii,
    "format": lambda secret: format(secret, ">20"),
    "f-string": lambda secret: f"{secret} {secret!r} {secret!s} {secret:x<30}",
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031
    "str.format": lambda secret: "{0} {0!r}".format(secret),  # noqa: UP032
    "template": lambda secret: string.Template("$a").substitute(a=secret),
    "list": lambda secret: str([secret, {"a": secret}]),
    "pprint": lambda secret: pprint.pformat({"a": [secret]}),
    "json default": lambda secret: json.dumps({"a": secret}, default=str),
    "pickle": pickle.dumps,
    "pickle protocol 0": lambda secret: pickle.dumps(secret, 0),
    "yaml": lambda secret: yaml.dump({"a": secret}, Dumper=yaml.Dumper),
    "dataclass": lambda secret: repr(Record(secret)),
    "dataclass asdict": lambda secret: repr(dataclasses.asdict(Record(secret))),
    "pydantic repr": lambda secret: repr(Holder(key=secret)),
    "pydantic dump": lambda secret: Holder(key=secret).model_dump(),
    "pydantic dump json": lambda secret: Holder(key=secret).model_dump(mode="json"),
    "pydantic json": lambda secret: Holder(key=secret).model_dump_json(),
    "deepcopy": lambda secret: repr(copy.deepcopy({"a": secret})),
    "state": lambda secret: repr(secret.__getstate__()),  # type: ignore[func-returns-value]
    "reduce": lambda secret: repr(secret.__reduce_ex__(2)),
    "exception": lambda secret: "".join(traceback.format_exception(ValueError(secret))),
}


@pytest.mark.parametrize("route", ROUTES)
def test_is_masked_on_every_route(route: str) -> None:
    written = ROUTES[route](Secret(VALUE))
    text = written.decode("latin-1") if isinstance(written, bytes) else str(written)
    assert "planted" not in text
    assert route == "state" or MASK in text


def test_is_masked_in_a_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("key %s", Secret(VALUE))
    assert caplog.messages == [f"key {MASK}"]


def test_what_does_not_know_it_refuses_without_showing_it() -> None:
    for write in (json.dumps, canonical, yaml.safe_dump, "".join, len, list, hash):
        with pytest.raises((TypeError, yaml.YAMLError)) as caught:
            write([Secret(VALUE)] if write in ("".join,) else Secret(VALUE))  # type: ignore[operator]
        assert "planted" not in str(caught.value)


def test_has_no_dictionary_to_look_into() -> None:
    with pytest.raises(TypeError):
        vars(Secret(VALUE))


def test_gives_its_value_to_who_asks() -> None:
    assert Secret(VALUE).reveal() == VALUE


def test_what_was_pickled_is_no_secret_any_more() -> None:
    assert pickle.loads(pickle.dumps(Secret(VALUE))) == MASK


def test_a_copy_keeps_the_value() -> None:
    secret = Secret(VALUE)
    assert copy.copy(secret).reveal() == copy.deepcopy(secret).reveal() == VALUE


def test_equal_values_are_equal_and_nothing_else_is() -> None:
    assert Secret(VALUE) == Secret(VALUE)
    assert Secret(VALUE) != Secret(VALUE + "x")
    assert Secret("") != Secret("\ud800")
    assert Secret(VALUE) != VALUE
    assert Secret(MASK) != MASK


def test_compares_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return True

    monkeypatch.setattr("hmac.compare_digest", compare)
    assert Secret("a") == Secret("b")
    assert compared == [(b"a", b"b")]


def test_does_not_change() -> None:
    with pytest.raises(AttributeError):
        Secret(VALUE)._value = "other"


def test_a_model_takes_a_secret_and_nothing_from_outside() -> None:
    assert Holder(key=Secret(VALUE)).key.reveal() == VALUE
    for outside in ("text", MASK):
        with pytest.raises(ValidationError):
            Holder.model_validate({"key": outside})


def test_the_schema_of_a_model_says_password() -> None:
    assert Holder.model_json_schema()["properties"]["key"]["format"] == "password"
