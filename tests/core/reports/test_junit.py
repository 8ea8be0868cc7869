"""JUnit XML: what is counted, and what is refused."""

from __future__ import annotations

import pytest

from orchestrate.core.errors import ReportInvalid
from orchestrate.core.reports import MOST_BYTES
from orchestrate.core.reports.junit import read

pytestmark = pytest.mark.unit

PYTEST = b"""<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" errors="0" failures="1" skipped="1"
 tests="4" time="0.05" timestamp="2026-11-23T13:11:31" hostname="ci">
<testcase classname="tests.test_cart" name="test_adds" time="0.001"/>
<testcase classname="tests.test_cart" name="test_totals" time="0.001">
<failure message="assert 1 == 2">def test_totals()...</failure></testcase>
<testcase classname="tests.test_cart" name="test_skips" time="0.000">
<skipped type="pytest.skip" message="no">here</skipped></testcase>
<testcase classname="tests.test_cart" name="test_pays" time="0.001"><system-out>x</system-out>
</testcase></testsuite></testsuites>"""
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><testsuites><testcase name='&j;'/></testsuites>"
)


def test_cases_are_counted_one_by_one() -> None:
    tests = read(PYTEST)
    assert (tests.total, tests.passed, tests.failed, tests.skipped) == (4, 2, 1, 1)
    assert tests.failures == ["tests.test_cart.test_totals"]


def test_the_totals_the_file_claims_are_not_believed() -> None:
    tests = read(
        b'<testsuite tests="400" failures="0"><testcase name="a"><error/></testcase></testsuite>'
    )
    assert (tests.total, tests.failed) == (1, 1)


def test_a_suite_that_broke_is_a_failure() -> None:
    tests = read(
        b'<testsuites><testsuite><error message="import failed"/></testsuite></testsuites>'
    )
    assert (tests.total, tests.failed, tests.failures) == (1, 1, ["import failed"])


def test_nested_suites_are_counted_once() -> None:
    inner = b"<testsuite><testcase name='a'/></testsuite>"
    assert read(b"<testsuites><testsuite>" + inner + b"</testsuite></testsuites>").total == 1


@pytest.mark.attack("AR10", "XXE, billion laughs and a remote document type in JUnit", "refused")
@pytest.mark.parametrize(
    "content",
    [
        BOMB,
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><testsuite>&e;</testsuite>',
        b'<!DOCTYPE x SYSTEM "http://169.254.169.254/x.dtd"><testsuite/>',
    ],
)
def test_a_document_type_is_refused(content: bytes) -> None:
    with pytest.raises(ReportInvalid, match="document type"):
        read(content)


@pytest.mark.attack("AR10", "a JUnit report of gigabytes, or endlessly deep", "refused")
@pytest.mark.parametrize("content", [b" " * (MOST_BYTES + 1), b"<testsuite>" * 100_000])
def test_a_report_that_is_too_much_is_refused(content: bytes) -> None:
    with pytest.raises(ReportInvalid, match=r"larger|deeper"):
        read(content)


@pytest.mark.parametrize(
    "content", [b"", b"  ", b"<html></html>", b"<testsuite>", b"{}", b"\x00\xff"]
)
def test_what_is_no_report_is_refused(content: bytes) -> None:
    with pytest.raises(ReportInvalid):
        read(content)
