def test_utf8(run_check):
    assert "checks passed" in run_check("utf8_check")
