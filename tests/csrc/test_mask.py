def test_mask(run_check):
    assert "checks passed" in run_check("mask_check", "mask.c")
