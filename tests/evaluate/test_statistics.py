import numpy as np
import pytest
from scipy.stats import binomtest

from tfgenai.core.random import numpy_generator
from tfgenai.evaluate.statistics import (
    bootstrap,
    centred_interval,
    check_features,
    generator,
    wilson_interval,
)


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (3, 7), (990, 1000), (8, 8)])
def test_wilson_interval_equals_scipys(successes: int, n: int) -> None:
    expected = binomtest(successes, n).proportion_ci(method="wilson")
    assert wilson_interval(successes, n) == pytest.approx((expected.low, expected.high))


def test_bootstrap_of_the_mean_has_the_textbooks_spread() -> None:
    # Standard error of the mean: s / sqrt(n).
    data = numpy_generator(0).normal(size=200)
    replicates = bootstrap(
        np.mean, [data], num_bootstrap=2000, random=generator(0, "test")
    )
    assert replicates.std() == pytest.approx(data.std() / np.sqrt(200), rel=0.06)
    low, high = centred_interval(data.mean(), replicates)
    assert high - low == pytest.approx(2 * 1.96 * data.std() / np.sqrt(200), rel=0.1)


def test_interval_is_centred_and_stays_in_the_statistics_range() -> None:
    low, high = centred_interval(1.0, np.array([4.0, 5.0, 6.0]), lowest=0.5)
    assert (low, high) == (0.5, pytest.approx(1.95))
    assert centred_interval(1.0, np.array([])) is None


def test_purposes_and_seeds_draw_different_noise() -> None:
    draws = {
        (seed, purpose): tuple(generator(seed, purpose).integers(0, 1000, 8))
        for seed in (0, 1)
        for purpose in ("fid", "kid")
    }
    assert len(set(draws.values())) == 4
    assert tuple(generator(0, "fid").integers(0, 1000, 8)) == draws[0, "fid"]


def test_features_of_a_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"samples.shape=\(3,\)"):
        check_features([1, 2, 3], "samples")
