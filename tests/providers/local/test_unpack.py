"""Archives are unpacked inside one directory, or not at all."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from orchestrate.core.errors import ArtifactInvalid
from orchestrate.providers.local import unpack
from orchestrate.providers.local.unpack import Target

Member = tuple[str, bytes, str]


def tar(*members: Member, mode: str = "w:gz") -> bytes:
    """A tar; the third of a member is its kind: f, x, d, or l:TARGET, h:TARGET, p, c."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mode = 0o4755 if kind == "x" else 0o644
            types = {"d": tarfile.DIRTYPE, "p": tarfile.FIFOTYPE, "c": tarfile.CHRTYPE}
            info.type = types.get(kind, tarfile.REGTYPE)
            if kind[:2] in ("l:", "h:"):
                info.type = tarfile.SYMTYPE if kind[0] == "l" else tarfile.LNKTYPE
                info.linkname = kind[2:]
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def packed(*members: Member) -> bytes:
    """A zip with the same members."""
    buffer = io.BytesIO()
    kinds = {"f": 0o100644, "x": 0o100755, "d": 0o040755, "l": 0o120777, "p": 0o010644}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, kind in members:
            info = zipfile.ZipInfo(name + ("/" if kind == "d" else ""))
            info.external_attr = kinds[kind[0]] << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, kind[2:] if kind[0] == "l" else content)
    return buffer.getvalue()


Pack = Callable[..., bytes]
BOTH = pytest.mark.parametrize(("pack", "name"), [(tar, "app.tar.gz"), (packed, "app.zip")])


@pytest.fixture
def target(tmp_path: Path) -> Target:
    (tmp_path / "into").mkdir()
    return Target(str(tmp_path / "into"), most_files=50, most_bytes=100_000)


def put(target: Target, name: str, data: bytes) -> None:
    unpack.from_archive(name, io.BytesIO(data), target)


@BOTH
def test_files_directories_and_executables_come_out(pack: Pack, name: str, target: Target) -> None:
    put(target, name, pack(("bin", b"", "d"), ("bin/run", b"#!", "x"), ("a/b/c.txt", b"hi", "f")))
    target.seal()
    root = Path(target.directory)
    assert (root / "a/b/c.txt").read_bytes() == b"hi"
    modes = {
        p.relative_to(root).as_posix(): stat.S_IMODE(p.stat().st_mode) for p in root.rglob("*")
    }
    assert modes == {"a": 0o555, "a/b": 0o555, "a/b/c.txt": 0o444, "bin": 0o555, "bin/run": 0o555}
    unpack.discard(target.directory)
    assert not root.exists()


@BOTH
@pytest.mark.parametrize(
    "path",
    [
        "../evil",
        "a/../../evil",
        "/etc/evil",
        "a/..",
        "C:\\evil",
        "a\\..\\evil",
        "C:evil",
        "..",
    ],
)
def test_a_path_that_leads_out_is_refused(
    pack: Pack, name: str, path: str, target: Target, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactInvalid, match="refused"):
        put(target, name, pack((path, b"evil", "f")))
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == []


@BOTH
@pytest.mark.parametrize("kind", ["l:/etc/passwd", "l:../..", "l:b.txt", "p"])
def test_links_and_devices_are_refused(pack: Pack, name: str, kind: str, target: Target) -> None:
    with pytest.raises(ArtifactInvalid, match="refused"):
        put(target, name, pack(("a", b"", kind), ("a/x", b"evil", "f")))
    assert os.listdir(target.directory) == []


@pytest.mark.parametrize("kind", ["h:/etc/passwd", "h:b.txt", "c"])
def test_hard_links_and_character_devices_are_refused(kind: str, target: Target) -> None:
    with pytest.raises(ArtifactInvalid, match="refused"):
        put(target, "app.tar", tar(("b.txt", b"x", "f"), ("a", b"", kind), mode="w"))


@BOTH
def test_a_bomb_is_stopped_by_what_it_writes(pack: Pack, name: str, target: Target) -> None:
    data = pack(("zeros", b"\0" * 5_000_000, "f"))
    assert len(data) < 10_000
    with pytest.raises(ArtifactInvalid, match="more than 100000 bytes"):
        put(target, name, data)
    assert sum(p.stat().st_size for p in Path(target.directory).rglob("*")) <= 100_000


@BOTH
def test_too_many_entries_are_stopped(pack: Pack, name: str, target: Target) -> None:
    with pytest.raises(ArtifactInvalid, match="more than 50 files"):
        put(target, name, pack(*((f"f{n}", b"", "f") for n in range(60))))


@BOTH
def test_deep_directories_count(pack: Pack, name: str, target: Target) -> None:
    with pytest.raises(ArtifactInvalid, match="more than 50 files"):
        put(target, name, pack(("/".join("a" * 60), b"", "f")))


def test_a_zip_that_lies_about_its_size_is_stopped(target: Target) -> None:
    data = bytearray(packed(("a", b"\0" * 500_000, "f")))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(mark) + offset
        data[at : at + 4] = (10).to_bytes(4, "little")  # the size it claims to unpack to
    with pytest.raises(ArtifactInvalid):
        put(target, "app.zip", bytes(data))
    assert sum(p.stat().st_size for p in Path(target.directory).rglob("*")) <= 100_000


@BOTH
@pytest.mark.parametrize("cut", [0, 10, 60])
def test_a_broken_archive_is_told(pack: Pack, name: str, cut: int, target: Target) -> None:
    data = pack(("a", os.urandom(3000), "f"), ("b", os.urandom(3000), "f"))
    with pytest.raises(ArtifactInvalid, match="broken"):
        put(target, name, data[:cut])


@BOTH
def test_a_name_that_comes_twice_is_refused(pack: Pack, name: str, target: Target) -> None:
    with pytest.warns(UserWarning) if pack is packed else nullcontext():
        data = pack(("a", b"1", "f"), ("a", b"2", "f"))
    with pytest.raises(ArtifactInvalid, match="broken"):
        put(target, name, data)


def test_a_file_where_a_directory_is_needed_is_refused(target: Target) -> None:
    with pytest.raises(ArtifactInvalid, match="broken"):
        put(target, "app.tar", tar(("a", b"1", "f"), ("a/b", b"2", "f"), mode="w"))
