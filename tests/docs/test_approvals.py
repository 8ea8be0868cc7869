"""docs/approvals.md is carried out, as the tutorial is."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

import pytest

from tests.docs.test_tutorial import Reader, blocks
from tests.support.api import Api
from tests.support.real import need_program
from tests.support.repository import ROOT

PAGE = ROOT / "docs" / "approvals.md"


@pytest.mark.system
@pytest.mark.timeout(400)
def test_the_page_on_approvals_does_what_it_says(home: Path) -> None:
    need_program("ssh-keygen", "apt-get install openssh-client")
    reader = Reader(home)
    try:
        place = home / "clone"
        shutil.copytree(ROOT / "examples" / "shop" / "releases", place / "releases")
        for block in blocks(PAGE.read_text(encoding="utf-8")):
            if not block.note.startswith("not run"):
                reader.follow(block)
            elif "has answered" in block.note:
                me = pwd.getpwuid(os.getuid()).pw_name
                Api(home).call("POST", "/api/first-administrator", {"person": me})
    finally:
        reader.end()
