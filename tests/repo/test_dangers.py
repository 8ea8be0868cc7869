"""What no file of this program does: shells, serialised objects, unchecked archives and TLS."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.support.repository import SOURCE

pytestmark = pytest.mark.unit

NEVER_CALLED = {
    "os.system", "os.popen", "os.execlp", "os.execvp", "os.spawnlp", "os.spawnvp", "os.startfile",
    "subprocess.getoutput", "subprocess.getstatusoutput", "eval", "exec", "compile", "__import__",
    "tempfile.mktemp", "webbrowser.open", "shutil.unpack_archive",
}  # fmt: skip
NEVER_IMPORTED = {"pickle", "marshal", "shelve", "dill", "webbrowser", "xml.sax", "telnetlib"}
NEVER_ASKED = {"extractall", "load_all", "unsafe_load", "full_load"}


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", _name(node.func), node


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.attack("SP01", "shell syntax wherever a program is started", "there is no shell")
@pytest.mark.attack("SP02", "the same where something is deleted, pruned or renamed", "no shell")
def test_no_program_is_started_by_a_shell() -> None:
    bad = [place for place, name, _ in calls() if name in NEVER_CALLED]
    for place, _, node in calls():
        given = {word.arg: word.value for word in node.keywords}
        shell = given.get("shell")
        if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
            bad.append(place)
    assert bad == []


@pytest.mark.attack("SP08", "a pickle, a YAML tag, code in a record", "nothing loads them")
def test_nothing_is_loaded_that_could_run() -> None:
    bad = [place for place, name, _ in calls() if name.rpartition(".")[2] in NEVER_ASKED]
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found: set[str | None] = set()
            if isinstance(node, ast.Import | ast.ImportFrom):
                found = {alias.name for alias in node.names}
            if isinstance(node, ast.ImportFrom):
                found.add(node.module)
            if NEVER_IMPORTED & found:
                bad.append(f"{path.relative_to(SOURCE)}:{node.lineno}")
    assert bad == []


def test_no_certificate_is_taken_unseen() -> None:
    bad = [
        place
        for place, _, node in calls()
        for word in node.keywords
        if word.arg in ("verify", "check_hostname")
        and isinstance(word.value, ast.Constant)
        and word.value.value is False
    ]
    assert bad == []


@pytest.mark.attack("SP09", "a javascript: or file: url to be opened", "none is opened")
def test_no_url_is_opened_for_anybody() -> None:
    assert [place for place, name, _ in calls() if name.startswith("webbrowser")] == []
