"""What images contain: a hash of each, and the sums that a card is made of."""

import dataclasses
import hashlib
from typing import Any

import numpy as np

from tfgenai.data.card import SplitCard

_CHUNK = 4096  # images whose squares are in memory at a time


@dataclasses.dataclass(frozen=True)
class Content:
    """Digest and sums of each image.

    Args:
        digests: uint8 `(n, 32)`, SHA-256 of shape and pixels.
        sums: int64 `(n,)`, sum of the pixels.
        square_sums: int64 `(n,)`, sum of their squares.
    """

    digests: np.ndarray
    sums: np.ndarray
    square_sums: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray) -> "Content":
        """Reads uint8 images `(n, height, width, channels)`."""
        sums = np.empty(len(images), np.int64)
        squares = np.empty(len(images), np.int64)
        for start in range(0, len(images), _CHUNK):
            part = images[start : start + _CHUNK].reshape(
                len(images[start : start + _CHUNK]), -1
            )
            sums[start : start + _CHUNK] = part.sum(axis=1, dtype=np.int64)
            squares[start : start + _CHUNK] = np.square(part, dtype=np.uint16).sum(
                axis=1, dtype=np.int64
            )
        return cls(_digests(images), sums, squares)

    @classmethod
    def join(cls, parts: "list[Content]") -> "Content":
        """Puts the contents of consecutive images together."""
        return cls(
            np.concatenate([part.digests for part in parts]),
            np.concatenate([part.sums for part in parts]),
            np.concatenate([part.square_sums for part in parts]),
        )

    def groups(self) -> np.ndarray:
        """Numbers that are equal for equal images, int64 `(n,)`."""
        # 64 of 256 bits: images that collide would only be kept on one side.
        _, inverse = np.unique(
            np.ascontiguousarray(self.digests[:, :8]).view(np.uint64)[:, 0],
            return_inverse=True,
        )
        return inverse.astype(np.int64)

    def card(
        self,
        rows: np.ndarray,
        labels: np.ndarray | None,
        *,
        num_pixels: int,
        num_classes: int | None,
    ) -> SplitCard:
        """Describes some of the images.

        Args:
            rows: int64 `(k,)`, which images.
            labels: int32 `(n,)` of all images, or None.
            num_pixels: values in one image.
            num_classes: number of classes, or None.
        """
        digests = np.ascontiguousarray(self.digests[rows])
        content = hashlib.sha256(digests.data)
        histogram = None
        if labels is not None:
            content.update(np.ascontiguousarray(labels[rows], "<i4").data)
            histogram = np.bincount(labels[rows], minlength=num_classes or 0).tolist()
        count = len(rows) * num_pixels
        mean = int(self.sums[rows].sum()) / count
        variance = int(self.square_sums[rows].sum()) / count - mean**2
        return SplitCard(
            num_examples=len(rows),
            sha256=content.hexdigest(),
            mean=round(mean / 255.0, 6),
            std=round(max(variance, 0.0) ** 0.5 / 255.0, 6),
            num_duplicates=len(rows) - len(np.unique(digests, axis=0)),
            label_histogram=histogram,
        )


def example_hashes(arrays: Any) -> list[str]:
    """The content hash of each example: equal for equal images and only for them.

    Args:
        arrays: `ImageArrays`, or uint8 images `(n, height, width, channels)`.

    Returns:
        `n` strings of 64 hexadecimal digits: SHA-256 of shape and pixels. Labels do
        not count, so that an image with another label is still found.

    Example:
        >>> a, b = example_hashes(np.zeros((2, 4, 4, 1), np.uint8))
        >>> a == b
        True
    """
    images = np.asarray(getattr(arrays, "images", arrays))
    if images.ndim != 4 or images.dtype != np.uint8:
        raise ValueError(
            "uint8 images (n, height, width, channels) were expected. Received: "
            f"arrays of {images.dtype} {images.shape}. Pass what load_arrays returns."
        )
    return [digest.tobytes().hex() for digest in _digests(images)]


def _digests(images: np.ndarray) -> np.ndarray:
    header = "x".join(map(str, images.shape[1:])).encode()
    seeded = hashlib.sha256(header)
    digests = np.empty((len(images), 32), np.uint8)
    for i, image in enumerate(np.ascontiguousarray(images)):
        one = seeded.copy()
        one.update(image.data)
        digests[i] = np.frombuffer(one.digest(), np.uint8)
    return digests
