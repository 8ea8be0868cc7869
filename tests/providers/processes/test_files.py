"""Files are replaced whole, private, and locks are held by one."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrate.providers.processes import files, logs
from orchestrate.providers.processes.spec import Seen, Spec, Stamp, seen_of, spec_of


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    files.replace(str(path), "one")
    files.replace(str(path), "two")
    assert path.read_text(encoding="utf-8") == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["state.json"]


def test_a_failed_replacement_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        files.replace(str(tmp_path / "folder"), "text")
    assert os.listdir(tmp_path) == ["folder"]


def test_threads_that_replace_one_file_at_once_hinder_one_another_in_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state.json"
    texts = [str(number) * 50_000 for number in range(4)]

    def put(text: str) -> None:
        for _ in range(100):
            files.replace(str(path), text, durable=False)
            assert path.read_text(encoding="utf-8") in texts

    with ThreadPoolExecutor(len(texts)) as pool:
        list(pool.map(put, texts))
    assert os.listdir(tmp_path) == ["state.json"]


def test_a_temporary_file_is_never_written_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine", encoding="utf-8")
    own = f".state.json.{os.getpid()}.{threading.get_ident()}"
    (tmp_path / own).symlink_to(victim)
    with pytest.raises(OSError):
        files.replace(str(tmp_path / "state.json"), "text")
    assert victim.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1'])
def test_a_file_cut_by_a_power_loss_reads_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text, encoding="utf-8")
    assert files.read_json(str(path)) is None


def test_a_journal_is_rotated_at_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "effects.jsonl"
    for number in range(10):
        files.append_line(str(path), {"number": number}, limit=60)
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) < 180
    assert '"number":9' in (path if path.exists() else tmp_path / "effects.jsonl.1").read_text(
        encoding="utf-8"
    )


def test_what_goes_wrong_at_each_look_is_said_once_an_hour(
    capsys: pytest.CaptureFixture[str],
) -> None:
    looks = (0.0, 0.5, 1.0, 1800.0, 3600.0, 3600.5)
    clock = iter(at for at in looks for _ in range(2))
    complaints = files.Complaints(lambda: next(clock))
    for _ in looks:
        complaints.say("no room")
        complaints.say("no handle")
    assert capsys.readouterr().out.splitlines() == ["no room", "no handle"] * 2


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    first = files.try_lock(path)
    assert first is not None
    assert files.try_lock(path) is None
    os.close(first)
    second = files.try_lock(path)
    assert second is not None
    os.close(second)


def test_a_tail_reaches_into_rotated_logs(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "0.log").write_text("e\nf\n", encoding="utf-8")
    (folder / "0.log.1").write_text("c\nd\n", encoding="utf-8")
    (folder / "0.log.2").write_text("a\nb\n", encoding="utf-8")
    assert logs.tail(str(tmp_path), 0, 5) == ["b", "c", "d", "e", "f"]
    assert logs.tail(str(tmp_path), 0, 1) == ["f"]
    assert logs.tail(str(tmp_path), 1, 5) == []


def test_a_tail_reads_long_files_from_their_end(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    lines = [f"{number} {'x' * 300}" for number in range(2000)]
    (folder / "0.log").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert logs.tail(str(tmp_path), 0, 700) == lines[-700:]


def test_rotation_moves_older_files_up_and_drops_the_last(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    for text in ("one", "two", "three"):
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
        assert logs.rotate(str(path), 2, keep=2)
    assert path.read_text(encoding="utf-8") == ""
    assert (tmp_path / "0.log.1").read_text(encoding="utf-8") == "three"
    assert (tmp_path / "0.log.2").read_text(encoding="utf-8") == "two"
    assert not (tmp_path / "0.log.3").exists()


def test_spec_and_state_read_back_as_they_were_written() -> None:
    spec = Spec(
        wanted=2,
        command=("/bin/true", "{port}"),
        cwd="/",
        environment={"A": "b"},
        ports={0: 1, 1: 2},
        port_variable="PORT",
        write=Stamp(7, "d/s/o", "lease"),
        labels={"version": "1"},
    )
    assert spec_of(spec.as_json()) == spec
    seen = Seen(number=1, state="exited", exit_code=3, reason="why", restarts=2, port=5)
    assert seen_of(seen.as_json()) == seen


def test_a_spec_that_makes_no_sense_is_refused() -> None:
    data = Spec(wanted=1, command=("/bin/true",), cwd="/").as_json()
    for name, value in (("command", []), ("wanted", "2"), ("wanted", True), ("environment", [1])):
        with pytest.raises(ValueError):
            spec_of({**data, name: value})
