"""The checks find what they are there for: a copy of the C with one mistake in it fails its check."""

import shutil
import sys
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[2] / "csrc"
LEAKS = pytest.mark.skipif(sys.platform != "linux", reason="no LeakSanitizer")
FREED = "    free(trie->slots);\n    free(trie);"


@pytest.mark.parametrize(
    ("program", "file", "right", "wrong", "report"),
    [
        ("mask_check", "mask.c", "size - i >= 8;", "size - i >= 5;", "heap-buffer-overflow"),
        ("query_check", "query.c", "end - at > 2 &&", "end - at > 1 &&", "heap-buffer-overflow"),
        pytest.param(
            "path_trie_memory_check", "path_trie.c", FREED, "    free(trie);", "LeakSanitizer", marks=LEAKS, id="leak"
        ),
    ],
)
def test_a_mistake_is_found(run_check, tmp_path, program, file, right, wrong, report):
    copy = tmp_path / "csrc"
    shutil.copytree(CSRC, copy)
    text = (copy / file).read_text()
    assert right in text
    (copy / file).write_text(text.replace(right, wrong))
    with pytest.raises(AssertionError, match=report):
        run_check(program, csrc=copy)
