"""Images together with the features an extractor sees in them, computed once."""

from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class FeatureExtractor(Protocol):
    """What FID, KID and their like need of an extractor; any such object will do.

    Attributes:
        sha256: 64 hexadecimal digits that change whenever the features do.
        num_features: length of a feature vector.
    """

    sha256: str
    num_features: int

    def features(self, images: np.ndarray) -> np.ndarray:
        """Features `(n, num_features)` of uint8 images `(n, height, width, channels)`.

        The features of an image must not depend on the others in the call.
        """
        ...


@runtime_checkable
class ImageClassifier(FeatureExtractor, Protocol):
    """An extractor that knows classes as well, for scores that ask a classifier.

    Attributes:
        num_classes: number of classes.
    """

    num_classes: int

    def predict(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features `(n, num_features)` and class probabilities `(n, num_classes)`."""
        ...


class ImageSet:
    """Images, their labels, and lazily what an extractor says of them.

    Args:
        images: uint8 `(n, height, width, channels)`.
        labels: int32 `(n,)` or None; of generated images, the labels asked for.
        extractor: a `FeatureExtractor`, or None if no features will be asked for.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        *,
        extractor: FeatureExtractor | None = None,
    ) -> None:
        self.images = images
        self.labels = labels
        self.extractor = extractor
        self._features: np.ndarray | None = None
        self._probabilities: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def extractor_hash(self) -> str | None:
        """The extractor's SHA-256, or None without an extractor."""
        return None if self.extractor is None else self.extractor.sha256

    def features(self) -> np.ndarray:
        """Features `(n, num_features)` in float64.

        Raises:
            ValueError: if there is no extractor.
        """
        self._extract()
        if self._features is None:
            raise ValueError(_missing("a feature extractor"))
        return self._features

    def probabilities(self) -> np.ndarray:
        """Class probabilities `(n, num_classes)` in float64.

        Raises:
            ValueError: if the extractor is not a classifier.
        """
        self._extract()
        if self._probabilities is None:
            raise ValueError(_missing("a classifier as extractor"))
        return self._probabilities

    def take(self, indices: np.ndarray) -> "ImageSet":
        """The rows of these numbers as a set of its own."""
        return ImageSet(
            self.images[indices],
            None if self.labels is None else self.labels[indices],
            extractor=self.extractor,
        )

    def _extract(self) -> None:
        if self._features is not None or self.extractor is None:
            return
        if isinstance(self.extractor, ImageClassifier):
            features, probabilities = self.extractor.predict(self.images)
            self._probabilities = np.asarray(probabilities, np.float64)
        else:
            features = self.extractor.features(self.images)
        self._features = np.asarray(features, np.float64)


def _missing(what: str) -> str:
    return (
        f"{what.capitalize()} was expected. Received: an image set without one. Pass "
        "features='NAME', made by `tfgenai evaluate fit-extractor DATA`."
    )
