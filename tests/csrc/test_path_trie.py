def test_pattern(run_check):
    assert "checks passed" in run_check("path_pattern_check")


def test_trie(run_check):
    assert "checks passed" in run_check("path_trie_check")


def test_inside_of_the_trie(run_check):
    assert "checks passed" in run_check("path_trie_inside_check")


def test_trie_without_memory(run_check):
    assert "checks passed" in run_check("path_trie_memory_check")
