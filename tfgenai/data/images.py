"""Images: between uint8 and [-1, 1], to another size, and out of a file's bytes."""

import io
import os
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
import tensorflow as tf
from PIL import ExifTags, Image, ImageOps

EXTENSIONS = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
)

_GREY_16 = ("I;16", "I;16L", "I;16B", "I;16N")
_GREY = ("1", "L", *_GREY_16)


def to_float(images: tf.Tensor | np.ndarray) -> tf.Tensor:
    """Scales uint8 images to float32 in [-1, 1]; 0 becomes -1 and 255 becomes 1.

    Example:
        >>> to_float(np.array([0, 255], np.uint8)).numpy().tolist()
        [-1.0, 1.0]
    """
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def to_uint8(x: tf.Tensor | np.ndarray) -> tf.Tensor:
    """The inverse of `to_float`; rounds, and clips what lies outside of [-1, 1].

    Example:
        >>> to_uint8(np.array([-1.0, 1.0, 1.5])).numpy().tolist()
        [0, 255, 255]
    """
    x = tf.cast(x, tf.float32)
    return tf.cast(tf.round(tf.clip_by_value((x + 1.0) * 127.5, 0.0, 255.0)), tf.uint8)


def resize(
    images: tf.Tensor | np.ndarray, image_size: tuple[int, int]
) -> tf.Tensor | np.ndarray:
    """Brings images to a size: cut around the centre to its proportions, then scaled.

    Bilinear, with a filter as wide as a reduction asks for (antialias).

    Args:
        images: uint8 `(batch, height, width, channels)` or `(height, width, channels)`.
        image_size: `(height, width)` in pixels.

    Returns:
        uint8 of the new size; the argument itself if it has that size.
    """
    if tuple(images.shape[-3:-1]) == tuple(image_size):
        return images
    height, width = image_size
    shape = tf.shape(images)
    old_height, old_width = shape[-3], shape[-2]
    # Integers: the largest window of the new proportions that fits.
    cut_height = tf.maximum(tf.minimum(old_height, old_width * height // width), 1)
    cut_width = tf.maximum(tf.minimum(old_width, old_height * width // height), 1)
    top, left = (old_height - cut_height) // 2, (old_width - cut_width) // 2
    images = images[..., top : top + cut_height, left : left + cut_width, :]
    scaled = tf.image.resize(images, (height, width), antialias=True)
    return tf.cast(tf.round(tf.clip_by_value(scaled, 0.0, 255.0)), tf.uint8)


def decode(data: bytes) -> np.ndarray:
    """Decodes the bytes of an image file; its EXIF orientation is applied.

    Args:
        data: a whole PNG, JPEG, WebP, BMP, GIF (its first picture), TIFF or PNM file.

    Returns:
        uint8 `(height, width, channels)`: one channel for grey pictures, otherwise
        three. Transparent pictures are laid on white; 16-bit grey keeps its upper half.

    Raises:
        ValueError: if the bytes are not an image, are cut off, or hold numbers that
            are not in a known range.
    """
    return _open(io.BytesIO(data), _pixels)


def shape_in_header(path: str | os.PathLike[str]) -> tuple[int, int, int]:
    """The shape that `decode` would give the file, without decoding its pixels.

    Args:
        path: an image file.

    Returns:
        `(height, width, channels)`.

    Raises:
        ValueError: if the file's header is not that of an image.
        OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        return _open(file, _shape)


def _open(file: BinaryIO, read: Callable[[Image.Image], Any]) -> Any:
    try:
        with warnings.catch_warnings():
            # Pillow only warns of a file that unpacks to gigabytes.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as picture:
                return read(picture)
    except Exception as error:  # Pillow's decoders raise whatever they come upon
        raise ValueError(str(error) or type(error).__name__) from error


def _shape(picture: Image.Image) -> tuple[int, int, int]:
    # A PNG without EXIF before its pixels would be decoded to look for it behind them.
    has_exif = picture.format != "PNG" or "exif" in picture.info
    exif = picture.getexif() if has_exif else {}
    is_turned = exif.get(ExifTags.Base.Orientation, 1) >= 5
    width, height = picture.size[::-1] if is_turned else picture.size
    return height, width, 1 if _is_grey(picture) else 3


def _is_grey(picture: Image.Image) -> bool:
    return picture.mode in _GREY and not picture.has_transparency_data


def _pixels(picture: Image.Image) -> np.ndarray:
    picture = ImageOps.exif_transpose(picture)  # reads the pixels
    if picture.mode in _GREY_16:
        return (np.asarray(picture) >> 8).astype(np.uint8)[..., np.newaxis]
    if picture.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {picture.mode!r} have no known range")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture).convert("RGB")
    if picture.mode in _GREY:
        return np.array(picture.convert("L"), np.uint8)[..., np.newaxis]
    return np.array(picture.convert("RGB"), np.uint8)
