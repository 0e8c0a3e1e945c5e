def test_poller(run_check):
    assert "checks passed" in run_check("poller_check")
