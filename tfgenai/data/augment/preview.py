"""Preview: what augmentations make of a few images, as one picture."""

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from tfgenai.core import random, storage
from tfgenai.core.errors import DataError
from tfgenai.data.augment.image import AUGMENTATIONS, Augmentation

_GAP = 2
_LEAST = 64


def preview(
    images: np.ndarray,
    augmentations: Sequence[str | Augmentation],
    path: "str | os.PathLike[str]",
    *,
    seed: int = 0,
) -> Path:
    """Writes a grid: a row for each image, itself first, then each augmentation of it.

    Look at it before training: only a person sees that a flipped 2 is no 2.

    Args:
        images: uint8 `(n, height, width, channels)`.
        augmentations: names or objects; each is applied alone.
        path: the PNG file.
        seed: of the augmentations.

    Returns:
        The path.

    Raises:
        DataError: if `images` are none.
        StorageError: if the file cannot be written.
    """
    images = np.asarray(images)
    is_image = images.ndim == 4 and images.dtype == np.uint8 and len(images)
    if not is_image or images.shape[3] not in (1, 3):
        raise DataError(
            "uint8 images (n, height, width, 1 or 3) were expected. Received: images "
            f"of {images.dtype} {images.shape}."
        )
    columns = [images]
    for place, entry in enumerate(augmentations):
        change = AUGMENTATIONS.create(entry)
        changed = change(tf.constant(images), random.step_seed(seed, place))
        columns.append(np.asarray(changed))
    scale = max(1, _LEAST // max(images.shape[1:3]))
    cells = np.stack(columns, 1).repeat(scale, 2).repeat(scale, 3)
    padding = [(0, 0), (0, 0), (_GAP, _GAP), (_GAP, _GAP), (0, 0)]
    cells = np.pad(cells, padding, constant_values=255)
    rows, count, height, width, channels = cells.shape
    grid = cells.transpose(0, 2, 1, 3, 4).reshape(
        rows * height, count * width, channels
    )
    buffer = io.BytesIO()
    Image.fromarray(grid[..., 0] if channels == 1 else grid).save(buffer, "PNG")
    return storage.write_bytes(path, buffer.getvalue())
