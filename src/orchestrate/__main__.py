"""`python -m orchestrate`: the same as the command."""

import sys

from orchestrate.cli.shim import main

sys.exit(main())
