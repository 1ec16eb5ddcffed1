import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from tfgenai.core.random import numpy_generator
from tfgenai.evaluate.metrics.fid import FID, feature_distance, frechet_distance
from tfgenai.evaluate.metrics.metric import RealImages


def _covariance(seed: int, size: int, rank: int | None = None) -> np.ndarray:
    factor = numpy_generator(seed).normal(size=(size, rank or size))
    return factor @ factor.T / size


def test_commuting_gaussians_equal_the_closed_form() -> None:
    # |m1 - m2|^2 + sum (s1 - s2)^2 where both covariances are diagonal.
    spread, other = np.array([0.5, 1.0, 3.0]), np.array([2.0, 1.0, 0.0])
    shift = np.array([1.0, -2.0, 0.5])
    distance = frechet_distance(shift, np.diag(spread**2), 0 * shift, np.diag(other**2))
    assert distance == pytest.approx(5.25 + ((spread - other) ** 2).sum(), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_general_gaussians_equal_scipy_sqrtm(seed: int) -> None:
    one, two = _covariance(seed, 12), _covariance(seed + 100, 12)
    mean = numpy_generator(seed, 1).normal(size=12)
    root = scipy.linalg.sqrtm(one @ two)
    expected = mean @ mean + np.trace(one + two - 2 * root.real)
    assert frechet_distance(mean, one, 0 * mean, two) == pytest.approx(expected)


def test_singular_covariances_stay_real_and_equal_a_regularised_limit() -> None:
    # Oracle: the closed form with a vanishing multiple of the identity added.
    one, two = _covariance(1, 20, rank=3), _covariance(2, 20, rank=5)
    distance = frechet_distance(np.zeros(20), one, np.zeros(20), two)
    tiny = 1e-10 * np.eye(20)
    root = scipy.linalg.sqrtm((one + tiny) @ (two + tiny))
    assert np.isfinite(distance)
    assert distance == pytest.approx(np.trace(one + two - 2 * root.real), abs=1e-3)


@pytest.mark.parametrize(("n", "published"), [(100, 21.8), (1000, 2.19), (5000, 0.44)])
def test_bias_of_equal_distributions_is_the_published_one(n, published) -> None:
    # Two samples of the same 64-d normal distribution.
    random = numpy_generator(7, n)
    values = [
        feature_distance(random.normal(size=(n, 64)), random.normal(size=(n, 64)))
        for _ in range(3)
    ]
    assert np.mean(values) == pytest.approx(published, rel=0.06)


def test_moments_of_features_equal_numpys() -> None:
    # Few rows, so that the covariance's divisor n - 1 shows.
    random = numpy_generator(8)
    x, y = random.normal(size=(9, 3)), 2 * random.normal(size=(7, 3))
    moments = [
        f(z) for z in (x, y) for f in (lambda z: z.mean(axis=0), lambda z: np.cov(z.T))
    ]
    assert feature_distance(x, y) == pytest.approx(frechet_distance(*moments))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(2, 40), size=st.integers(1, 6))
def test_distance_is_a_distance_of_sets(seed: int, n: int, size: int) -> None:
    # Not negative, symmetric, 0 to itself, blind to the order of rows and columns.
    random = numpy_generator(seed)
    x, y = random.normal(size=(n, size)), 2 * random.normal(size=(n + 1, size)) + 1
    distance = feature_distance(x, y)
    columns = random.permutation(size)
    shuffled = feature_distance(x[random.permutation(n)][:, columns], y[:, columns])
    assert distance >= 0
    assert feature_distance(y, x) == pytest.approx(distance, rel=1e-6, abs=1e-6)
    assert shuffled == pytest.approx(distance, rel=1e-6, abs=1e-6)
    assert feature_distance(x, x) < 1e-6


def test_value_floor_and_interval(image_set) -> None:
    random = numpy_generator(3)
    test, train = random.normal(size=(2, 600, 4))
    samples = random.normal(size=(500, 4)) + np.eye(4)[0]
    value = FID(num_bootstrap=100)(
        image_set(samples),
        RealImages(image_set(test), image_set(train), image_set(train[:500])),
        seed=5,
    )
    low, high = value.interval
    assert value.value == pytest.approx(feature_distance(samples, test))
    assert value.floor == pytest.approx(feature_distance(train[:500], test))
    assert value.floor < 0.1 < low < 1.0 < high < 1.5  # the true distance is 1
    assert low < value.value < high
    assert (value.n, value.seed, value.extractor_hash) == (500, 5, "0" * 64)


def test_debiased_interval_contains_zero_for_equal_distributions(image_set) -> None:
    random = numpy_generator(4)
    samples, test = random.normal(size=(2, 400, 32))
    value = FID(num_bootstrap=60)(image_set(samples), RealImages(image_set(test)))
    low, high = value.details["debiased_interval"]
    assert value.value > 1.0  # almost all of it bias
    assert low < 0.1 < high
    assert abs(value.details["debiased"]) < value.value / 4


def test_interval_is_a_function_of_the_seed(image_set) -> None:
    random = numpy_generator(5)
    samples, test = random.normal(size=(2, 50, 4))

    def interval(seed: int) -> tuple[float, float]:
        real = RealImages(image_set(test))
        return FID(num_bootstrap=20)(image_set(samples), real, seed=seed).interval

    assert interval(1) == interval(1)
    assert interval(1) != interval(2)


def test_no_bootstrap_gives_no_interval(image_set) -> None:
    rows = numpy_generator(6).normal(size=(20, 2))
    value = FID(num_bootstrap=0)(image_set(rows), RealImages(image_set(rows)))
    assert value.interval is None
    assert value.floor is None
    assert value.value < 1e-6


@pytest.mark.parametrize("few", ["num_samples", "num_test"])
def test_too_few_images_are_refused_with_the_way_out(image_set, few: str) -> None:
    rows = numpy_generator(6).normal(size=(64, 32))
    less = rows[:63]
    samples, test = (less, rows) if few == "num_samples" else (rows, less)
    with pytest.raises(ValueError, match=rf"64 images .*{few}=63.*kid"):
        FID()(image_set(samples), RealImages(image_set(test)))


def test_features_that_are_not_finite_are_refused(image_set) -> None:
    rows = numpy_generator(6).normal(size=(20, 2))
    bad = rows.copy()
    bad[3, 1] = np.nan
    with pytest.raises(ValueError, match="samples with NaN"):
        FID()(image_set(bad), RealImages(image_set(rows)))
