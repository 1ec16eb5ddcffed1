"""Image files: pixels or shape out of a file's bytes, without TensorFlow."""

import io
import os
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps

EXTENSIONS = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
)

_GREY_16 = ("I;16", "I;16L", "I;16B", "I;16N")
_GREY = ("1", "L", *_GREY_16)


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
