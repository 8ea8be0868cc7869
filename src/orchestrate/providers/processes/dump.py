"""A process that holds secrets: nothing of its memory is written down when it dies."""

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def undumpable() -> None:
    """No core dump of this process, and no reading of its memory or environment by others of the
    same user. What it starts is not affected: a program that is executed begins anew.

    Only Linux has this; elsewhere nothing happens, which docs/security.md says.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
