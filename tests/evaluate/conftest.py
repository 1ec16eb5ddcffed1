"""Real digits, an extractor fitted to them in a second, and features as they are."""

import dataclasses

import numpy as np
import pytest

from tfgenai.core.random import numpy_generator


@dataclasses.dataclass(frozen=True)
class Arrays:
    """What `tfgenai.data.load_arrays` returns, as far as an evaluation looks at it."""

    images: np.ndarray
    labels: np.ndarray | None
    class_names: list[str] | None = None


class AsTheyAre:
    """An extractor whose features are the pixels; in tests, rows of numbers."""

    sha256 = "0" * 64

    def __init__(self, num_features: int) -> None:
        self.num_features = num_features

    def features(self, images: np.ndarray) -> np.ndarray:
        return np.asarray(images, np.float64).reshape(len(images), -1)


@pytest.fixture(scope="session")
def digits() -> tuple[Arrays, Arrays]:
    """scikit-learn's real digits, 1,437 to train on and 360 to test on."""
    from sklearn.datasets import load_digits

    source = load_digits()
    images = np.rint(source.images * 255 / 16).astype(np.uint8)[..., None]
    labels = source.target.astype(np.int32)
    order = numpy_generator(0).permutation(len(images))
    names = [str(label) for label in range(10)]
    return tuple(
        Arrays(images[rows], labels[rows], names)
        for rows in (order[:1437], order[1437:])
    )


@pytest.fixture(scope="session")
def extractor_folder(digits, tmp_path_factory):
    """An extractor for `digits` on disk."""
    from tfgenai.evaluate import fit_extractor

    folder = tmp_path_factory.mktemp("extractors") / "digits"
    fit_extractor(digits, output=folder, epochs=20, seed=3)
    return folder


@pytest.fixture(scope="session")
def extractor(extractor_folder):
    from tfgenai.evaluate import Extractor

    return Extractor.load(extractor_folder)


@pytest.fixture
def image_set():
    """Makes an `ImageSet` of rows of numbers that are their own features."""
    from tfgenai.evaluate.features.image_set import ImageSet

    return lambda rows: ImageSet(rows, extractor=AsTheyAre(rows.shape[1]))
