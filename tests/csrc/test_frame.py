def test_frame(run_check):
    assert "checks passed" in run_check("frame_check")
