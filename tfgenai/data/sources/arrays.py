"""Images that are arrays in memory already."""

from collections.abc import Sequence

import numpy as np

from tfgenai.core.errors import DataError
from tfgenai.data.sources.source import Records, Source


class ArraySource(Source):
    """Images and labels as NumPy arrays, for `tfgenai.data.load`.

    Args:
        images: uint8 `(n, height, width, channels)` in [0, 255].
        labels: integers `(n,)`, or None.
        name: what the card calls the set.
        class_names: name of each class; None numbers them.

    Raises:
        DataError: if there are no images, or shapes, types or labels do not fit.

    Example:
        >>> from tfgenai.data import load
        >>> images = np.zeros((10, 8, 8, 1), np.uint8)
        >>> load(ArraySource(images), batch_size=5).element_spec.shape
        TensorShape([5, 8, 8, 1])
    """

    origin = "arrays in memory"

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        *,
        name: str = "arrays",
        class_names: Sequence[str] | None = None,
    ) -> None:
        images = np.asarray(images)
        if images.ndim != 4 or not len(images) or images.dtype != np.uint8:
            raise DataError(
                "uint8 images (n, height, width, channels) in [0, 255] were expected. "
                f"Received: images of shape {images.shape} and type {images.dtype}. "
                "Convert floats in [0, 1] with (255 * x).round().astype('uint8')."
            )
        self.name = name
        self._images = images
        self._ids = [f"{name}/{i}" for i in range(len(images))]
        self._labels = None
        if labels is None:
            return
        labels = np.asarray(labels)
        if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
            raise DataError(
                f"{len(images)} integer labels were expected. Received: labels of "
                f"shape {labels.shape} and type {labels.dtype}."
            )
        if class_names is None:
            class_names = [str(i) for i in range(int(labels.max()) + 1)]
        self.class_names = list(class_names)
        self._labels = self.check_labels(labels, self._ids)

    def split_names(self) -> list[str]:
        """See `Source.split_names`; slices such as "train[:90%]" make the others."""
        return ["train"]

    def read(
        self,
        split: str,
        *,
        image_size: tuple[int, int] | None = None,
        memory_limit: int | None = None,
    ) -> Records:
        """See `Source.read`; the images are in memory in any case."""
        from tfgenai.data.images import resize

        self.require_split(split)
        # A copy: whoever reads may change it, and so may whoever gave it.
        images = self._images.copy()
        if image_size is not None:
            images = np.asarray(resize(images, image_size))
        return Records.in_memory(images, self._labels, self._ids)
