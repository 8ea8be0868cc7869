"""The root of a container with a Python and nothing else, packed from the one that runs this."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

LEFT_OUT = {
    "__phello__", "config-3", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages",
    "dist-packages", "test", "tests", "tkinter", "turtledemo", "distutils", "venv",
}  # fmt: skip
_LIBRARY = re.compile(r"(/\S+) \(0x[0-9a-f]+\)")


def python_root() -> bytes:
    """A tar: /usr/bin/python3 with its standard library and what these load, /bin, /tmp, /app."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in ("app", "bin", "data", "etc", "tmp", "usr", "usr/bin"):
            _directory(tar, name, 0o1777 if name in ("tmp", "data") else 0o755)
        program = Path(sys.executable).resolve()
        _file(tar, program, str(program)[1:])
        _link(tar, "usr/bin/python3", str(program))
        library = Path(sysconfig.get_path("stdlib"))
        modules = sorted(_modules(library))
        for path in modules:
            _file(tar, path, str(path)[1:])
        loaded = [program, *(path for path in modules if path.suffix == ".so")]
        for path in sorted(_libraries(loaded)):
            _file(tar, path.resolve(), str(path)[1:])
    return packed.getvalue()


def _modules(library: Path) -> Iterator[Path]:
    for folder, inner, names in os.walk(library):
        inner[:] = [n for n in inner if n not in LEFT_OUT and not n.startswith("config-")]
        yield from (Path(folder, name) for name in names if not name.endswith((".a", ".opt-1.pyc")))


def _libraries(programs: list[Path]) -> set[Path]:
    """What the linker loads for them, the linker too."""
    told = subprocess.run(
        ["ldd", *map(str, programs)], capture_output=True, text=True, check=False
    ).stdout
    return {Path(found) for found in _LIBRARY.findall(told)}


def _directory(tar: tarfile.TarFile, name: str, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    tar.addfile(entry)


def _link(tar: tarfile.TarFile, name: str, to: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, to
    tar.addfile(entry)


def _file(tar: tarfile.TarFile, path: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    found = path.stat()
    entry.size, entry.mtime = found.st_size, int(found.st_mtime)
    entry.mode = 0o755 if found.st_mode & 0o100 else 0o644
    with path.open("rb") as file:
        tar.addfile(entry, file)
