"""Every line of csrc/ runs and every branch goes both ways in the checks beside this file.

The checks are built without optimisation, so that gcov counts what is written, and their counts are added.
"""

import json
import shutil
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[2] / "csrc"


def is_gnu(program):
    """Whether this is GNU's: elsewhere the name belongs to LLVM's, which reports in another form."""
    found = shutil.which(program)
    if found is None:
        return False
    shown = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=60)
    return "Free Software Foundation" in shown.stdout


class Counts:
    """How often each line ran, and each branch was taken, by the place ``file:line``."""

    def __init__(self):
        self.lines = Counter()
        self.branches = defaultdict(list)

    def add(self, report):
        for file in report["files"]:
            path = Path(report["current_working_directory"], file["file"]).resolve()
            # The functions of a header are compiled into each file that includes it.
            if path.parent != CSRC:
                continue
            for line in file["lines"]:
                place = f"{path.name}:{line['line_number']}"
                self.lines[place] += line["count"]
                taken = [branch["count"] for branch in line["branches"]]
                known = self.branches[place] or [0] * len(taken)
                if taken:
                    assert len(known) == len(taken), f"{place} was compiled in two ways"
                    self.branches[place] = [a + b for a, b in zip(known, taken, strict=True)]

    def missed(self):
        lines = [place for place, count in self.lines.items() if count == 0]
        return lines + [f"{place} {counts}" for place, counts in self.branches.items() if 0 in counts]


def test_counts_find_what_was_not_taken():
    counts = Counts()
    lines = [
        {"line_number": 1, "count": 3, "branches": [{"count": 3}, {"count": 0}]},
        {"line_number": 2, "count": 0, "branches": []},
    ]
    report = {"current_working_directory": "/", "files": [{"file": str(CSRC / "mask.c"), "lines": lines}]}
    counts.add(report)
    assert counts.missed() == ["mask.c:2", "mask.c:1 [3, 0]"]
    lines[0]["branches"][1]["count"] = lines[1]["count"] = 1
    counts.add(report)
    assert counts.missed() == []


def test_every_check_is_run(checks):
    assert set(checks) == {path.stem for path in Path(__file__).parent.glob("*_check.c")}


@pytest.mark.skipif(not (is_gnu("gcc") and is_gnu("gcov")), reason="gcc and gcov are not here")
def test_every_branch_is_taken(run_check, checks, tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "gcc")
    counts = Counts()
    for program in checks:
        output = run_check(program, "-O0", "--coverage", "-fprofile-update=single")
        if "not on this processor" in output:
            pytest.skip(f"{program}: {output.splitlines()[0]}")
    for notes in sorted(tmp_path.glob("*.gcno")):
        command = ["gcov", "--json-format", "--branch-probabilities", "--stdout", notes.name]
        shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        for report in shown.stdout.splitlines():
            counts.add(json.loads(report))
    sources = {path.name for path in CSRC.glob("*.c")}
    assert sources <= {place.partition(":")[0] for place in counts.lines}
    assert counts.missed() == []
    print(f"{len(counts.lines)} lines, {sum(map(len, counts.branches.values()))} branches")
