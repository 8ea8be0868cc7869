"""After the store was lost: wait for it, and begin again as a new process.

A worker without its lease must not write any more, and no thread of it may be left that still
would; a new program in the same process has none, and whoever supervises it keeps its pid.
"""

import logging
import os
import sys
import time
from pathlib import Path
from typing import NoReturn

from orchestrate.server.serve import WAITING
from orchestrate.store.database import database_url, silence

log = logging.getLogger(__name__)

EVERY_S = 1.0


def begin_again(home: Path) -> NoReturn:
    """Wait until the store answers, for as long as that takes, and begin again with the same
    command. The home stays held meanwhile. SIGTERM ends it."""
    log.warning("waiting for the database; the service begins again once it answers")
    url, said = database_url(home), ""
    while (why := silence(url)) is not None:
        if why != said:
            said = why
            (home / WAITING).write_text(why, encoding="utf-8")
            log.warning("the database does not answer yet: %s", why)
        time.sleep(EVERY_S)
    log.info("the database answers; beginning again")
    os.execv(sys.executable, _command())


def _command() -> list[str]:
    """As this process was started. It replaces nobody any more: the home is its own."""
    return [sys.executable, *(word for word in sys.orig_argv[1:] if word != "--replace")]
