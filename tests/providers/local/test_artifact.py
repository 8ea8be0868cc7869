"""A version is pinned by its content, and only what was pinned is put in place."""

from __future__ import annotations

import os
import socket
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue

from orchestrate.core.errors import ArtifactInvalid, ArtifactMissing, DiskFull
from orchestrate.core.revision import Artifact
from orchestrate.providers.local import artifact, unpack
from orchestrate.providers.local.settings import Settings, settings_of
from tests.support.disk import no_space, small_disk
from tests.support.real import need_program

pytestmark = pytest.mark.system


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    return path


def settings(root: Path, source: JsonValue, **more: JsonValue) -> Settings:
    return settings_of({"root": str(root), "command": ["x"], "artifact": source, **more})


def release(root: Path, version: str = "1.0.0") -> Path:
    directory = root / "releases" / version
    (directory / "lib").mkdir(parents=True)
    (directory / "run").write_text("#!/bin/sh\n", encoding="utf-8")
    (directory / "run").chmod(0o755)
    (directory / "lib" / "a.py").write_text("a = 1\n", encoding="utf-8")
    return directory


def placed(found: Artifact, config: Settings, tmp_path: Path) -> Path:
    into = tmp_path / "versions" / "key.part"
    into.parent.mkdir(exist_ok=True)
    artifact.place(found, config, str(into), str(tmp_path / "cache"))
    return into


class TestDirectory:
    CONFIG = "releases/{version}"

    def test_the_digest_is_of_paths_modes_and_content(self, root: Path) -> None:
        config, directory = settings(root, self.CONFIG), release(root)

        def digest() -> str:
            return artifact.pin(config, "1.0.0").digest

        seen = [digest()]
        assert digest() == seen[0]
        os.utime(directory / "run", (1, 1))
        assert digest() == seen[0]
        (directory / "run").chmod(0o644)
        seen.append(digest())
        (directory / "lib" / "a.py").rename(directory / "lib" / "b.py")
        seen.append(digest())
        (directory / "lib" / "b.py").write_text("a = 2\n", encoding="utf-8")
        seen.append(digest())
        (directory / "link").symlink_to("run")
        seen.append(digest())
        assert len(set(seen)) == len(seen)

    def test_what_changes_by_running_it_is_no_part_of_it(self, root: Path) -> None:
        config, directory = settings(root, self.CONFIG), release(root)
        before = artifact.pin(config, "1.0.0")
        (directory / "__pycache__").mkdir()
        (directory / "__pycache__" / "a.pyc").write_bytes(b"x")
        (directory / ".git").mkdir()
        assert artifact.pin(config, "1.0.0") == before

    def test_it_is_copied_whole(self, root: Path, tmp_path: Path) -> None:
        config, directory = settings(root, self.CONFIG), release(root)
        (directory / "link").symlink_to("lib/a.py")
        into = placed(artifact.pin(config, "1.0.0"), config, tmp_path)
        assert (into / "link").read_text(encoding="utf-8") == "a = 1\n"
        assert os.access(into / "run", os.X_OK)
        assert (into / "lib" / "a.py").stat().st_mode & 0o777 == 0o444
        unpack.discard(str(into))

    def test_what_was_changed_after_it_was_pinned_is_refused(
        self, root: Path, tmp_path: Path
    ) -> None:
        config, directory = settings(root, self.CONFIG), release(root)
        found = artifact.pin(config, "1.0.0")
        (directory / "lib" / "a.py").write_text("evil\n", encoding="utf-8")
        with pytest.raises(ArtifactInvalid, match="changed after it was pinned"):
            placed(found, config, tmp_path)
        assert os.listdir(tmp_path / "versions") == []

    def test_what_was_removed_after_it_was_pinned_is_told(self, root: Path, tmp_path: Path) -> None:
        config, directory = settings(root, self.CONFIG), release(root)
        found = artifact.pin(config, "1.0.0")
        directory.rename(root / "elsewhere")
        with pytest.raises(ArtifactMissing, match="not there any more"):
            placed(found, config, tmp_path)

    @pytest.mark.parametrize("target", ["/etc/passwd", "../../secret", "lib/../../../x"])
    def test_a_link_that_leads_out_is_refused(self, root: Path, target: str) -> None:
        config, directory = settings(root, self.CONFIG), release(root)
        (directory / "link").symlink_to(target)
        with pytest.raises(ArtifactInvalid, match="leads out"):
            artifact.pin(config, "1.0.0")

    def test_a_socket_is_refused(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        config, directory = settings(root, self.CONFIG), release(root)
        monkeypatch.chdir(directory)  # a socket's address is short
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("s")
            with pytest.raises(ArtifactInvalid, match="neither a file nor a directory"):
                artifact.pin(config, "1.0.0")

    def test_too_many_files_are_refused(self, root: Path) -> None:
        release(root)
        with pytest.raises(ArtifactInvalid, match="more than 1 files"):
            artifact.pin(settings(root, self.CONFIG, max_files=1), "1.0.0")

    def test_versions_are_listed_in_their_order(self, root: Path) -> None:
        for version in ("1.10.0", "1.9.0", "1.9.0-rc.1"):
            release(root, version)
        assert artifact.versions(settings(root, self.CONFIG))[-1] == "1.10.0"


class TestArchive:
    def archive(self, root: Path, name: str) -> Path:
        path = root / name
        with tarfile.open(path, "w:gz") as made:
            made.add(release(root), arcname=".")
        return path

    def test_it_is_pinned_by_its_bytes_and_unpacked(self, root: Path, tmp_path: Path) -> None:
        config = settings(root, "shop-{version}.tgz")
        self.archive(root, "shop-1.0.0.tgz")
        found = artifact.pin(config, "1.0.0")
        assert found.kind == "archive"
        into = placed(found, config, tmp_path)
        assert (into / "lib" / "a.py").read_text(encoding="utf-8") == "a = 1\n"
        assert artifact.versions(config) == ["1.0.0"]
        unpack.discard(str(into))

    def test_what_was_changed_after_it_was_pinned_is_refused(
        self, root: Path, tmp_path: Path
    ) -> None:
        config = settings(root, "shop-{version}.tgz")
        path = self.archive(root, "shop-1.0.0.tgz")
        found = artifact.pin(config, "1.0.0")
        with path.open("ab") as file:
            file.write(b"more")
        with pytest.raises(ArtifactInvalid, match="changed after"):
            placed(found, config, tmp_path)

    def test_a_file_of_another_kind_is_refused(self, root: Path) -> None:
        (root / "shop-1.0.0.exe").write_bytes(b"MZ")
        with pytest.raises(ArtifactInvalid, match="no directory and no archive"):
            artifact.pin(settings(root, "shop-{version}.exe"), "1.0.0")


class TestGit:
    @pytest.fixture
    def repository(self, root: Path) -> Path:
        need_program("git", "apt-get install git")
        release(root)
        self.git(root, "init", "--quiet")
        self.git(root, "add", ".")
        self.commit(root, "one")
        self.git(root, "tag", "v1.0.0")
        return root

    @staticmethod
    def git(folder: Path, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, folder: Path, message: str) -> None:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        self.git(folder, *who, "commit", "--quiet", "-am", message)

    def test_a_tag_is_pinned_as_its_commit(self, repository: Path, tmp_path: Path) -> None:
        config = settings(repository, {"git": ".", "subdirectory": "releases/1.0.0"})
        found = artifact.pin(config, "1.0.0")
        assert found.digest == f"git:{self.git(repository, 'rev-parse', 'HEAD')}"
        assert artifact.versions(config) == ["1.0.0"]
        (repository / "releases" / "1.0.0" / "run").write_text("later", encoding="utf-8")
        self.commit(repository, "two")
        into = placed(found, config, tmp_path)
        assert (into / "run").read_text(encoding="utf-8") == "#!/bin/sh\n"
        assert sorted(os.listdir(into)) == ["lib", "run"]
        unpack.discard(str(into))

    def test_a_directory_inside_the_repository_means_all_of_it(
        self, repository: Path, tmp_path: Path
    ) -> None:
        config = settings(repository / "releases", {"git": "."})
        into = placed(artifact.pin(config, "1.0.0"), config, tmp_path)
        assert os.listdir(into) == ["releases"]
        unpack.discard(str(into))

    def test_a_remote_one_is_fetched(self, repository: Path, tmp_path: Path) -> None:
        config = settings(repository, {"git": repository.as_uri()})
        found = artifact.pin(config, "1.0.0")
        into = placed(found, config, tmp_path)
        assert (into / "releases" / "1.0.0" / "run").exists()
        unpack.discard(str(into))

    def test_a_ref_that_is_not_there_lists_the_tags(self, repository: Path) -> None:
        with pytest.raises(ArtifactMissing) as raised:
            artifact.pin(settings(repository, {"git": "."}), "1.0.1")
        assert "did you mean 1.0.0?" in raised.value.fix

    def test_hooks_and_settings_of_the_repository_are_not_run(
        self, repository: Path, tmp_path: Path
    ) -> None:
        ran = tmp_path / "ran"
        hook = repository / ".git" / "hooks" / "post-checkout"
        hook.write_text(f"#!/bin/sh\ntouch {ran}\n", encoding="utf-8")
        hook.chmod(0o755)
        self.git(repository, "config", "core.fsmonitor", f"touch {ran}")
        config = settings(repository, {"git": "."})
        into = placed(artifact.pin(config, "1.0.0"), config, tmp_path)
        assert not ran.exists()
        unpack.discard(str(into))

    def test_a_directory_that_is_no_repository_is_told(self, root: Path, tmp_path: Path) -> None:
        need_program("git", "apt-get install git")
        with pytest.raises(ArtifactMissing, match="git rev-parse failed"):
            artifact.pin(settings(root, {"git": str(tmp_path)}), "1.0.0")


class TestFullDisk:
    @pytest.fixture
    def small(self, tmp_path: Path) -> Iterator[Path]:
        path = tmp_path / "small"
        path.mkdir()
        with small_disk(path, "1m"):
            yield path

    def test_what_cannot_fit_is_refused_before_a_byte_is_written(
        self, root: Path, small: Path
    ) -> None:
        config = settings(root, "releases/{version}")
        (release(root) / "large").write_bytes(b"x" * 2_000_000)
        found = artifact.pin(config, "1.0.0")
        with pytest.raises(DiskFull, match="too full to unpack"):
            artifact.place(found, config, str(small / "key.part"), "")
        assert os.listdir(small) == []

    def test_a_disk_that_fills_up_meanwhile_is_told_and_left_clean(
        self, root: Path, small: Path
    ) -> None:
        config = settings(root, "shop-{version}.tgz")
        directory = release(root)
        (directory / "large").write_bytes(b"\0" * 5_000_000)
        with tarfile.open(root / "shop-1.0.0.tgz", "w:gz") as made:
            made.add(directory, arcname=".")
        found = artifact.pin(config, "1.0.0")
        with pytest.raises(DiskFull) as raised:
            artifact.place(found, config, str(small / "key.part"), "")
        assert "free some space" in raised.value.fix[0]
        assert os.listdir(small) == []

    def test_a_failure_to_write_is_told_and_left_clean(
        self, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = settings(root, "releases/{version}")
        release(root)
        found = artifact.pin(config, "1.0.0")
        with no_space(monkeypatch), pytest.raises(DiskFull):
            placed(found, config, tmp_path)
        assert os.listdir(tmp_path / "versions") == []
