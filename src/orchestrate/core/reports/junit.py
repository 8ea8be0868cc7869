"""JUnit XML, as pytest, surefire, jest and most others write it.

Read by expat, which is told of every declaration: a document type is refused, and with it external
entities (XXE) and entities that multiply (billion laughs).
"""

from dataclasses import dataclass, field
from xml.parsers import expat

from orchestrate.core.errors import ReportInvalid
from orchestrate.core.reports import refuse_large

DEEPEST = 64
SHOWN = 5


@dataclass
class Tests:
    """Test cases, counted one by one: what the file says of its own totals is not believed."""

    total: int = 0
    failed: int = 0
    """Failures and errors."""
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    """Names of the first that failed."""

    @property
    def passed(self) -> int:
        return self.total - self.failed - self.skipped


def read(content: bytes) -> Tests:
    """The test cases of a report. Raises ReportInvalid."""
    refuse_large(content, "the JUnit report")
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as problem:
        raise ReportInvalid(
            "the JUnit report is no XML", why=[f"{expat.ErrorString(problem.code)}, "
                                               f"line {problem.lineno}"]
        ) from problem  # fmt: skip
    if reader.root not in ("testsuites", "testsuite"):
        raise ReportInvalid("the JUnit report holds no test suites")
    return reader.tests


class _Reader:
    def __init__(self) -> None:
        self.tests = Tests()
        self.root: str | None = None
        self._path: list[str] = []
        self._case = ""
        self._bad = self._skipped = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._path) >= DEEPEST:
            raise ReportInvalid(f"the JUnit report is deeper than {DEEPEST}")
        self.root = self.root or name
        if name == "testcase":
            self._bad = self._skipped = False
            suite, case = attributes.get("classname", ""), attributes.get("name", "")
            self._case = f"{suite}.{case}".strip(".")[:200]
        elif self._path and self._path[-1] == "testcase":
            self._bad = self._bad or name in ("failure", "error")
            self._skipped = self._skipped or name == "skipped"
        elif name in ("failure", "error") and self._path and self._path[-1] == "testsuite":
            # A suite that broke as a whole has no case that says so.
            self.tests.total += 1
            self._fail(attributes.get("message", name)[:200])
        self._path.append(name)

    def end(self, name: str) -> None:
        self._path.pop()
        if name != "testcase":
            return
        self.tests.total += 1
        if self._bad:
            self._fail(self._case)
        elif self._skipped:
            self.tests.skipped += 1

    def refuse(self, *declaration: object) -> None:
        raise ReportInvalid("the JUnit report declares a document type, which is not read")

    def _fail(self, name: str) -> None:
        self.tests.failed += 1
        if len(self.tests.failures) < SHOWN:
            self.tests.failures.append(name)
