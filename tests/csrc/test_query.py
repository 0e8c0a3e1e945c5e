def test_query(run_check):
    assert "checks passed" in run_check("query_check")
