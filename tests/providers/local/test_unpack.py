"""Archives are unpacked inside one directory, or not at all."""

from __future__ import annotations

import io
import os
import stat
import struct
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
            info.mode = {"x": 0o755, "s": 0o4755, "g": 0o2755}.get(kind, 0o644)
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
    kinds = {
        "f": 0o100644,
        "x": 0o100755,
        "s": 0o104755,
        "g": 0o102755,
        "d": 0o040755,
        "l": 0o120777,
        "p": 0o010644,
    }
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
@pytest.mark.attack("AR01", "a path that leads out: .., absolute, drive, backslash", "refused")
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
@pytest.mark.attack("AR02", "a link, a file through it, a fifo", "refused: no links at all")
@pytest.mark.parametrize("kind", ["l:/etc/passwd", "l:../..", "l:b.txt", "p"])
def test_links_and_devices_are_refused(pack: Pack, name: str, kind: str, target: Target) -> None:
    with pytest.raises(ArtifactInvalid, match="refused"):
        put(target, name, pack(("a", b"", kind), ("a/x", b"evil", "f")))
    assert os.listdir(target.directory) == []


@pytest.mark.attack("AR02", "a hard link out, or to another entry", "refused: no links at all")
@pytest.mark.attack("AR03", "a device", "refused")
@pytest.mark.parametrize("kind", ["h:/etc/passwd", "h:b.txt", "c"])
def test_hard_links_and_character_devices_are_refused(kind: str, target: Target) -> None:
    with pytest.raises(ArtifactInvalid, match="refused"):
        put(target, "app.tar", tar(("b.txt", b"x", "f"), ("a", b"", kind), mode="w"))


@BOTH
@pytest.mark.attack("AR04", "a bomb: a few kB that unpack to much more", "stopped by bytes written")
def test_a_bomb_is_stopped_by_what_it_writes(pack: Pack, name: str, target: Target) -> None:
    data = pack(("zeros", b"\0" * 5_000_000, "f"))
    assert len(data) < 10_000
    with pytest.raises(ArtifactInvalid, match="more than 100000 bytes"):
        put(target, name, data)
    assert sum(p.stat().st_size for p in Path(target.directory).rglob("*")) <= 100_000


@BOTH
@pytest.mark.attack("AR04", "very many entries", "stopped at max_files")
def test_too_many_entries_are_stopped(pack: Pack, name: str, target: Target) -> None:
    with pytest.raises(ArtifactInvalid, match="more than 50 files"):
        put(target, name, pack(*((f"f{n}", b"", "f") for n in range(60))))


@BOTH
def test_deep_directories_count(pack: Pack, name: str, target: Target) -> None:
    with pytest.raises(ArtifactInvalid, match="more than 50 files"):
        put(target, name, pack(("/".join("a" * 60), b"", "f")))


@pytest.mark.attack("AR04", "a zip that lies about the size of an entry", "refused")
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


@BOTH
@pytest.mark.attack("AR01", "names that differ in case or in accents alone", "refused")
@pytest.mark.parametrize(
    ("one", "other"), [("README", "readme"), ("\u00e9.txt", "e\u0301.txt"), ("A/x", "a/y")]
)
def test_names_that_some_file_systems_take_for_one_are_refused(
    pack: Pack, name: str, one: str, other: str, target: Target
) -> None:
    with pytest.raises(ArtifactInvalid, match="refused"):
        put(target, name, pack((one, b"1", "f"), (other, b"2", "f")))


@BOTH
@pytest.mark.attack("AR01", "names with direction marks, line ends or zero width", "refused")
@pytest.mark.parametrize("path", ["a\u202etxt.exe", "a\nb", "a\x1b[0m", "a\u200bb", "a\u2028b"])
def test_names_that_cannot_be_shown_are_refused(
    pack: Pack, name: str, path: str, target: Target
) -> None:
    with pytest.raises(ArtifactInvalid, match="refused"):
        put(target, name, pack((path, b"1", "f")))


@BOTH
@pytest.mark.attack("AR03", "a file that runs as another user or group", "refused")
@pytest.mark.parametrize("kind", ["s", "g"])
def test_files_that_run_as_somebody_else_are_refused(
    pack: Pack, name: str, kind: str, target: Target
) -> None:
    with pytest.raises(ArtifactInvalid, match="refused"):
        put(target, name, pack(("a", b"1", kind)))


def raw_header(name: bytes, size: bytes, kind: bytes) -> bytes:
    """A tar header by hand, with its checksum."""
    fields = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + size + b"0" * 11 + b" "
    head = (fields + b" " * 8 + kind + b"\0" * 100 + b"ustar  \0").ljust(512, b"\0")
    total = f"{sum(head):06o}\0 ".encode()
    return head[:148] + total + head[156:]


@pytest.mark.attack("AR03", "a tar entry of negative size", "refused")
def test_a_negative_size_is_refused(target: Target) -> None:
    negative = b"\xff" * 12
    with pytest.raises(ArtifactInvalid):
        put(target, "app.tar", raw_header(b"a", negative, b"0") + b"\0" * 2048)


@pytest.mark.attack("AR03", "a name of gigabytes, and names of names without end", "refused")
@pytest.mark.parametrize("count", [1, 20_000])
def test_long_names_do_not_fill_the_memory_or_the_stack(count: int, target: Target) -> None:
    size = b"77777777777\0" if count == 1 else b"00000000001\0"
    one = raw_header(b"././@LongLink", size, b"L") + b"a".ljust(512, b"\0")
    data = one * count + (b"\0" * (8 << 20) if count == 1 else b"")
    with pytest.raises(ArtifactInvalid):
        put(target, "app.tar", data)
    assert os.listdir(target.directory) == []


@pytest.mark.attack("AR03", "a sparse file of a terabyte", "refused")
def test_sparse_files_are_refused(target: Target) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a")
        info.pax_headers = {
            "GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 40), "GNU.sparse.name": "a",
        }  # fmt: skip
        archive.addfile(info)
    with pytest.raises(ArtifactInvalid, match="refused"):
        put(target, "app.tar", buffer.getvalue())


@pytest.mark.attack("AR04", "a zip whose directory names a million entries", "refused unread")
def test_a_crowded_zip_is_refused_before_it_is_read(target: Target) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(2000):
            archive.writestr(f"{number:0>60}", b"")
    with pytest.raises(ArtifactInvalid, match="more than 50 files"):
        put(target, "app.zip", buffer.getvalue())


@pytest.mark.attack("AR04", "a zip64 record that lies about the directory", "refused")
def test_a_zip64_record_that_lies_is_refused(target: Target) -> None:
    data = bytearray(packed(("a", b"1", "f")))
    end = data.index(b"PK\x05\x06")
    data[end + 12 : end + 16] = b"\xff" * 4
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, 1 << 50, 1)
    with pytest.raises(ArtifactInvalid):
        put(target, "app.zip", bytes(data[:end] + locator + data[end:]))


@pytest.mark.attack("AR04", "entries of a zip that share their bytes", "each counted as written")
def test_entries_that_share_their_bytes_count_each(target: Target) -> None:
    data = packed(("a" * 8, b"\0" * 60_000, "f"))
    directory = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry = data[directory:end]
    entries = b"".join(entry.replace(b"a" * 8, bytes([97 + n]) * 8) for n in range(8))
    tail = bytearray(data[end:])
    tail[8:12] = (8).to_bytes(2, "little") * 2
    tail[12:16] = len(entries).to_bytes(4, "little")
    with pytest.raises(ArtifactInvalid):
        put(target, "app.zip", data[:directory] + entries + bytes(tail))
    assert (
        sum(p.stat().st_size for p in Path(target.directory).rglob("*") if p.is_file()) <= 100_000
    )


def test_a_zip_with_another_compression_is_refused(target: Target) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a", b"\0" * 1_000_000)
    with pytest.raises(ArtifactInvalid, match="refused"):
        put(target, "app.zip", buffer.getvalue())
