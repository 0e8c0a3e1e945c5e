def test_mask(run_check):
    assert "checks passed" in run_check("mask_check")


def test_mask_without_avx2(run_check):
    assert "checks passed" in run_check("mask_portable_check")
