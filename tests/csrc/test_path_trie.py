def test_pattern(run_check):
    assert "checks passed" in run_check("path_pattern_check", "path_pattern.c")


def test_trie(run_check):
    assert "checks passed" in run_check("path_trie_check", "path_trie.c", "path_pattern.c")


def test_trie_without_memory(run_check):
    assert "checks passed" in run_check("path_trie_memory_check", "path_pattern.c")
