def test_stream(run_check):
    assert "checks passed" in run_check("stream_check")
