"""Build of the compiled modules; everything else about the package is in pyproject.toml.

One extension per .pyx file. A .pyx names the C files it needs in its first lines
(``# distutils: sources = csrc/...``). Generated C goes to build/cython, never into the tree.

Switches, each an environment variable set to 1, after a change of which build_ext wants --force:

    WIREFAST_DEBUG     all of Cython's run-time checks, C asserts, live-object counts, no optimisation
    WIREFAST_COVERAGE  line tracing of the compiled code for coverage.py (its Cython.Coverage plugin)
    WIREFAST_SANITIZE  AddressSanitizer and UndefinedBehaviorSanitizer (run with LD_PRELOAD=libasan.so)
    WIREFAST_ANNOTATE  the annotated HTML of each module, beside its generated C
"""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup


def switch(name: str) -> bool:
    return os.environ.get(f"WIREFAST_{name}", "0") not in ("", "0")


DEBUG, SANITIZE, ANNOTATE, COVERAGE = switch("DEBUG"), switch("SANITIZE"), switch("ANNOTATE"), switch("COVERAGE")

compile_args: list[str] = []
link_args: list[str] = []
macros: list[tuple[str, str | None]] = []
if sys.platform != "win32":
    compile_args += ["-std=c11", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-cast-function-type"]
    # -Wno-int-conversion: Cython's overflow check takes the difference of two pointers for one of integers.
    compile_args += ["-O0", "-g", "-UNDEBUG", "-Wno-int-conversion"] if DEBUG else ["-O2", "-g0"]
    if not DEBUG and sys.platform == "linux":
        # Calls of the interpreter and within a module take no detour.
        compile_args += ["-fno-plt", "-fno-semantic-interposition", "-fvisibility=hidden"]
if SANITIZE:
    compile_args += ["-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    link_args += ["-fsanitize=address,undefined"]
if DEBUG:
    compile_args += ["-include", os.path.abspath("tools/live_objects.h"), "-Wno-expansion-to-defined"]
if COVERAGE:
    macros += [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1")]

extensions = [
    Extension(
        ".".join(path.relative_to("src").with_suffix("").parts),
        [path.as_posix()],
        include_dirs=["csrc"],
        extra_compile_args=compile_args,
        extra_link_args=link_args,
        define_macros=macros,
    )
    for path in sorted(Path("src").rglob("*.pyx"))
]

setup(
    # One compiler a core.
    options={"build_ext": {"parallel": True}},
    ext_modules=cythonize(
        extensions,
        # Their own for debug and coverage: those directives change the generated C, which cythonize does not notice.
        build_dir="build/cython" + ("-debug" if DEBUG else "") + ("-coverage" if COVERAGE else ""),
        annotate=ANNOTATE,
        force=ANNOTATE,
        compiler_directives={
            "language_level": 3,
            "binding": True,
            "embedsignature": False,
            "auto_pickle": False,
            "boundscheck": DEBUG,
            "wraparound": False,
            "initializedcheck": DEBUG,
            "nonecheck": DEBUG,
            "overflowcheck": DEBUG,
            "cdivision": True,
            "linetrace": COVERAGE,
            # docs/free-threading.md says what relies on the GIL.
            "freethreading_compatible": False,
        },
    ),
)
