"""The logger of this package, named ``wirefast``. It has no handler of its own."""

import logging

__all__ = ["logger"]

logger = logging.getLogger("wirefast")
