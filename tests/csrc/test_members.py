def test_members(run_check):
    assert "checks passed" in run_check("members_check")
