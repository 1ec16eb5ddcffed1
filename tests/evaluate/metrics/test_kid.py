import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import polynomial_kernel

from tfgenai.core.random import numpy_generator
from tfgenai.evaluate.metrics.kid import KID, kernel_distance
from tfgenai.evaluate.metrics.metric import RealImages


def test_distance_equals_the_definition_with_sklearns_kernel() -> None:
    random = numpy_generator(0)
    x, y = random.normal(size=(7, 5)), random.normal(size=(9, 5)) + 0.5

    def mean_of_pairs(rows: np.ndarray) -> float:
        kernel = polynomial_kernel(rows, degree=3, gamma=1 / 5, coef0=1)
        return kernel[~np.eye(len(rows), dtype=bool)].mean()

    across = polynomial_kernel(x, y, degree=3, gamma=1 / 5, coef0=1).mean()
    expected = mean_of_pairs(x) + mean_of_pairs(y) - 2 * across
    assert kernel_distance(x, y) == pytest.approx(expected)


def test_one_dimensional_shift_equals_the_closed_form() -> None:
    # k(x, y) = (xy + 1)^3 compares the moments: 3 m1^2 + 3 m2^2 + m3^2. A shift of
    # a standard normal by a has m1 = a, m2 = a^2, m3 = a^3 + 3a over it.
    a = 0.7
    random = numpy_generator(1)
    values = [
        kernel_distance(
            random.normal(size=(2000, 1)) + a, random.normal(size=(2000, 1))
        )
        for _ in range(40)
    ]
    expected = 3 * a**2 + 3 * a**4 + (a**3 + 3 * a) ** 2
    error = np.std(values) / np.sqrt(len(values))
    assert np.mean(values) == pytest.approx(expected, abs=4 * error)
    assert error < expected / 20


def test_estimate_is_unbiased_at_every_size() -> None:
    # The mean over many pairs of samples of one distribution is 0 within 3 errors.
    for size in (5, 50):
        random = numpy_generator(2, size)
        values = [
            kernel_distance(
                random.normal(size=(size, 8)), random.normal(size=(size, 8))
            )
            for _ in range(600)
        ]
        assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(2, 30), size=st.integers(1, 6))
def test_distance_is_blind_to_order(seed: int, n: int, size: int) -> None:
    random = numpy_generator(seed)
    x, y = random.normal(size=(n, size)), random.normal(size=(n + 3, size))
    columns = random.permutation(size)
    shuffled = kernel_distance(x[random.permutation(n)][:, columns], y[:, columns])
    assert shuffled == pytest.approx(kernel_distance(x, y), rel=1e-9, abs=1e-9)
    assert kernel_distance(y, x) == pytest.approx(kernel_distance(x, y), abs=1e-9)


def test_equal_distributions_give_zero_within_two_standard_errors(image_set) -> None:
    random = numpy_generator(3)
    samples, test, train = random.normal(size=(3, 400, 8))
    value = KID(num_subsets=40)(
        image_set(samples), RealImages(image_set(test), floor=image_set(train))
    )
    low, high = value.interval
    assert abs(value.value) < 2 * value.details["standard_error"]
    assert low < 0 < high
    assert abs(value.floor) < 4 * value.details["standard_error"]
    assert value.details["subset_size"] == 200  # half of 400, for want of 2,000


def test_interval_covers_the_truth_of_different_distributions(image_set) -> None:
    # Truth: the estimate on far larger sets. 95 % intervals, 30 of them.
    random = numpy_generator(4)
    truth = kernel_distance(
        random.normal(size=(6000, 8)) + 0.4, random.normal(size=(6000, 8))
    )
    covered = 0
    for _ in range(30):
        samples = image_set(random.normal(size=(200, 8)) + 0.4)
        value = KID(num_subsets=30)(
            samples, RealImages(image_set(random.normal(size=(200, 8))))
        )
        covered += value.interval[0] <= truth <= value.interval[1]
    assert covered >= 26


def test_subset_size_is_the_one_asked_for_where_there_are_enough(image_set) -> None:
    rows = numpy_generator(5).normal(size=(80, 3))
    value = KID(subset_size=30, num_subsets=5)(
        image_set(rows), RealImages(image_set(rows))
    )
    assert value.details["subset_size"] == 30
    assert "5 subsets of 30" in value.method


def test_bad_arguments_are_refused(image_set) -> None:
    with pytest.raises(ValueError, match="subset_size=1"):
        KID(subset_size=1)
    rows = numpy_generator(5).normal(size=(30, 3))
    with pytest.raises(ValueError, match="num_samples=19"):
        KID()(image_set(rows[:19]), RealImages(image_set(rows)))
