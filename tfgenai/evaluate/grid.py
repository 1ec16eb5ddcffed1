"""A batch of images as one picture."""

import math
from typing import Any

import numpy as np
from PIL import Image

from tfgenai.core.storage import PathLike, atomic_file
from tfgenai.evaluate.pixels import to_uint8

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def image_grid(
    images: Any,
    num_columns: int | None = None,
    *,
    padding: int = 2,
    scale: int = 1,
) -> Image.Image:
    """Lays images out in rows from left to right on a white ground.

    Args:
        images: `(n, height, width, channels)`, float in [-1, 1] or uint8; 1 (grey),
            3 (RGB) or 4 (RGBA) channels.
        num_columns: images in a row; the default makes the grid about square.
        padding: pixels of ground around each image.
        scale: whole factor by which every pixel is enlarged.

    Returns:
        The picture; cells without an image stay white.

    Raises:
        ValueError: if the images or one of the numbers cannot be drawn.

    Example:
        >>> image_grid(np.zeros((4, 8, 8, 1), np.uint8), padding=1).size
        (19, 19)
    """
    pixels = to_uint8(images)
    count, height, width, channels = pixels.shape
    if channels not in _MODES:
        raise ValueError(
            "Images with 1, 3 or 4 channels were expected. Received: "
            f"images.shape={pixels.shape}. Draw the channels one by one."
        )
    if num_columns is None:
        num_columns = math.ceil(math.sqrt(count))
    if num_columns < 1 or padding < 0 or scale < 1:
        raise ValueError(
            "num_columns >= 1, padding >= 0 and scale >= 1 were expected. Received: "
            f"num_columns={num_columns}, padding={padding}, scale={scale}."
        )
    pixels = pixels.repeat(scale, axis=1).repeat(scale, axis=2)
    height, width = height * scale, width * scale
    num_rows = math.ceil(count / num_columns)
    canvas = np.full(
        (
            num_rows * (height + padding) + padding,
            num_columns * (width + padding) + padding,
            channels,
        ),
        255,
        np.uint8,
    )
    for index, image in enumerate(pixels):
        row, column = divmod(index, num_columns)
        top = padding + row * (height + padding)
        left = padding + column * (width + padding)
        canvas[top : top + height, left : left + width] = image
    return Image.fromarray(canvas[..., 0] if channels == 1 else canvas)


def save_grid(
    path: PathLike, images: Any, num_columns: int | None = None, **kwargs: Any
) -> None:
    """Writes `image_grid(images, num_columns, **kwargs)` to a file, atomically.

    Args:
        path: file to write; its suffix chooses the format, for example `.png`.
        images: as in `image_grid`.
        num_columns: as in `image_grid`.
        **kwargs: `padding` and `scale` of `image_grid`.

    Raises:
        ValueError: if the images cannot be drawn or the suffix names no format.
        StorageError: if the folder cannot be written to.

    Example:
        >>> import tempfile
        >>> save_grid(f"{tempfile.mkdtemp()}/grid.png", np.zeros((4, 8, 8, 1)))
    """
    grid = image_grid(images, num_columns, **kwargs)
    suffix = "." + str(path).rsplit(".", 1)[-1].lower()
    if suffix not in Image.registered_extensions():
        raise ValueError(
            "A file name with an image's suffix was expected. Received: "
            f"path={str(path)!r}. Use '.png'."
        )
    with atomic_file(path) as beside:
        grid.save(beside)
