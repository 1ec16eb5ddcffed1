import numpy as np
import pytest
from scipy.spatial import KDTree
from scipy.stats import mannwhitneyu

from tfgenai.core.random import numpy_generator
from tfgenai.evaluate.features.image_set import ImageSet
from tfgenai.evaluate.metrics.metric import RealImages
from tfgenai.evaluate.metrics.nearest import (
    NearestNeighbours,
    _probability_below,
    nearest_neighbours,
)


def _images(seed: int, n: int) -> np.ndarray:
    return numpy_generator(seed).integers(0, 256, (n, 4, 4, 1), np.uint8)


@pytest.mark.parametrize("chunk_size", [3, 16, 1000])
def test_neighbours_equal_scipys_tree(chunk_size: int) -> None:
    random = numpy_generator(0)
    queries, references = random.normal(size=(20, 5)), random.normal(size=(50, 5))
    distances, indices = KDTree(references).query(queries, k=3)
    found, far = nearest_neighbours(queries, references, 3, chunk_size=chunk_size)
    np.testing.assert_array_equal(found, indices)
    np.testing.assert_allclose(far, distances, rtol=1e-12)


def test_near_duplicates_far_from_the_origin_are_told_apart() -> None:
    # |q|^2 + |r|^2 - 2 qr in float32 cannot: its error is above their distance.
    base = numpy_generator(1).integers(200, 256, (1, 3072)).astype(np.uint8)
    references = np.repeat(base, 6, axis=0)
    for row in range(6):
        references[row, : 6 - row] -= 1
    found, far = nearest_neighbours(base, references, 6)
    np.testing.assert_array_equal(found, [[5, 4, 3, 2, 1, 0]])
    np.testing.assert_allclose(far[0], np.sqrt(np.arange(1, 7)))


def test_probability_equals_mann_whitneys_u() -> None:
    random = numpy_generator(2)
    values, others = random.integers(0, 9, 30), random.integers(2, 12, 40)
    expected = mannwhitneyu(others, values).statistic / (30 * 40)
    assert _probability_below(values, others) == pytest.approx(expected)


def test_copies_are_found_and_fresh_images_are_not() -> None:
    train, test = ImageSet(_images(3, 300)), ImageSet(_images(4, 200))
    real = RealImages(test, train)
    copies = NearestNeighbours()(ImageSet(train.images[:50]), real)
    fresh = NearestNeighbours()(ImageSet(_images(5, 200)), real)
    assert copies.value == 1.0
    assert copies.details["num_identical"] == 50
    assert copies.details["nearer_probability"] == 1.0
    assert fresh.value < 0.05
    assert fresh.details["num_identical"] == 0
    assert 0.35 < fresh.details["nearer_probability"] < 0.65
    assert fresh.floor == pytest.approx(0.01, abs=0.006)
    assert fresh.interval[0] <= fresh.value <= fresh.interval[1]
    assert fresh.extractor_hash is None


def test_distance_is_in_grey_levels() -> None:
    train = np.zeros((2, 4, 4, 1), np.uint8)
    train[1] = 255
    value = NearestNeighbours(num_neighbours=5)(
        ImageSet(np.full((3, 4, 4, 1), 10, np.uint8)),
        RealImages(ImageSet(train.copy()), ImageSet(train)),
    )
    np.testing.assert_allclose(value.artifacts["distances"], [[10.0, 245.0]] * 3)
    assert value.artifacts["neighbours"].shape == (3, 2, 4, 4, 1)


def test_number_of_images_is_bounded_and_seeded() -> None:
    real = RealImages(ImageSet(_images(6, 90)), ImageSet(_images(7, 60)))
    metric = NearestNeighbours(max_images=20)
    one, two, other = (
        metric(ImageSet(_images(8, 70)), real, seed=seed) for seed in (1, 1, 2)
    )
    assert (one.n, one.details["num_test"], one.details["num_train"]) == (20, 20, 60)
    assert one == two
    assert one.details != other.details


def test_feature_space_uses_the_extractor(image_set) -> None:
    random = numpy_generator(9)
    train, test = random.normal(size=(2, 40, 3))
    metric = NearestNeighbours(space="features")
    value = metric(image_set(train[:10]), RealImages(image_set(test), image_set(train)))
    assert value.value == 1.0
    assert value.extractor_hash == "0" * 64
    assert metric.needs == {"train", "features"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"space": "latent"}, "space='latent'"),
        ({"quantile": 0}, "quantile=0"),
        ({"max_images": 0}, "max_images=0"),
        ({"num_neighbours": 0}, "num_neighbours=0"),
    ],
)
def test_bad_arguments_are_refused(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        NearestNeighbours(**arguments)


def test_bad_inputs_are_refused() -> None:
    rows = np.zeros((3, 2))
    with pytest.raises(ValueError, match="train=None"):
        NearestNeighbours()(
            ImageSet(_images(0, 3)), RealImages(ImageSet(_images(0, 3)))
        )
    with pytest.raises(ValueError, match="equal length"):
        nearest_neighbours(rows, np.zeros((3, 4)))
    with pytest.raises(ValueError, match="num_neighbours=4"):
        nearest_neighbours(rows, rows, 4)
    with pytest.raises(ValueError, match="Flatten"):
        nearest_neighbours(_images(0, 2), _images(0, 2))
