"""Starts a supervisor: `python -I -S launch.py DIRECTORY`. Returns once it runs, and leaves it.

A file of its own since an isolated interpreter does not know where this package is.
"""

import os
import sys

if __name__ == "__main__":
    root = os.path.abspath(__file__)
    for _ in range(4):
        root = os.path.dirname(root)
    sys.path.append(root)

    from orchestrate.providers.processes.supervisor import main

    sys.exit(main(sys.argv[1]))
