"""How many times slower and larger than a release this build may be: WIREFAST_SLOWER, for sanitizers and line tracing.

It multiplies what tests of cost allow, in seconds and in bytes, and how long tests wait for processes.
"""

from __future__ import annotations

import os

SLOWER = float(os.environ.get("WIREFAST_SLOWER", "1"))
#: How many times longer the CPU time of a step may be while another process of tests shares the processor's caches.
SHARED = 2.0 if "PYTEST_XDIST_WORKER" in os.environ else 1.0
