"""``python -m wirefast``: the ``wirefast`` command."""

import sys

from wirefast.cli import main

if __name__ == "__main__":
    sys.exit(main())
