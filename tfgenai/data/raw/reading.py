"""Bytes of a file to content, or to the problem with them."""

import io
import os
import warnings
from pathlib import Path

from PIL import Image

from tfgenai.data.image_files import EXTENSIONS as IMAGE_EXTENSIONS
from tfgenai.data.image_files import decode
from tfgenai.data.raw.example import Example, Kind, Problem
from tfgenai.data.raw.labels import printable

EXTENSIONS: dict[Kind, frozenset[str]] = {
    "images": IMAGE_EXTENSIONS,
    "text": frozenset((".txt", ".md")),
    "sound": frozenset((".wav", ".flac", ".ogg")),
}
MAX_PIXELS = 64 * 2**20
MAX_TEXT_BYTES = 2**28
MAX_FILE_BYTES = 2**29  # of an image or a sound

_ORIENTATION = 0x0112
_CUT_OFF = ("truncated", "cut off", "unexpected end", "not enough image data", "broken")


def to_example(
    name: str, data: bytes, kind: Kind, *, max_pixels: int = MAX_PIXELS
) -> Example:
    """An example of a file's bytes; one with a `problem` if they cannot be read.

    Args:
        name: id of the example.
        data: the file's bytes.
        kind: what they are.
        max_pixels: pixels of an image above which it is not decoded.
    """
    if kind == "text":
        return _text(name, data)
    if kind == "sound":
        from tfgenai.data.raw.sound_files import SoundFileError, decode_sound

        try:
            return Example(name, decode_sound(data), data=data)
        except SoundFileError as error:
            return Example(name, None, data=data, problem=error.problem)
    return _image(name, data, max_pixels)


def of_file(
    name: str, path: Path, kind: Kind, *, max_pixels: int = MAX_PIXELS
) -> Example:
    """An example of a file, which is not read if it is too large for memory."""
    limit = MAX_TEXT_BYTES if kind == "text" else MAX_FILE_BYTES
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                return too_large(name, size, limit)
            data = file.read(size)
    except OSError as error:
        return unreadable(name, error)
    return to_example(printable(name), data, kind, max_pixels=max_pixels)


def too_large(name: str, size: int, limit: int) -> Example:
    """An example of more bytes than are read at once."""
    problem = Problem("too_large", f"{size:,} bytes; at most {limit:,}")
    return Example(printable(name), None, problem=problem)


def unreadable(name: str, error: OSError) -> Example:
    """An example of a file that could not be opened."""
    codes = {PermissionError: "permission", FileNotFoundError: "missing"}
    code = codes.get(type(error), "unreadable")
    problem = Problem(code, error.strerror or str(error))
    return Example(printable(name), None, problem=problem)


def _text(name: str, data: bytes) -> Example:
    if len(data) > MAX_TEXT_BYTES:
        return too_large(name, len(data), MAX_TEXT_BYTES)
    try:
        return Example(name, data.decode("utf-8"), data=data)
    except UnicodeDecodeError as error:
        detail = f"byte 0x{data[error.start]:02x} at offset {error.start}"
        problem = Problem("encoding", f"no UTF-8: {detail}")
        return Example(name, None, data=data, problem=problem)


def _image(name: str, data: bytes, max_pixels: int) -> Example:
    try:
        notes = _header(data, max_pixels)
        return Example(name, decode(data), data=data, notes=notes)
    except _TooLarge as error:
        problem = Problem("too_large", str(error))
    except Exception as error:  # whatever Pillow's decoders come upon
        words = " ".join(str(error).split()) or type(error).__name__
        is_cut = any(sign in words.lower() for sign in _CUT_OFF)
        problem = Problem("truncated" if is_cut else "unreadable", words[:200])
    return Example(name, None, data=data, problem=problem)


class _TooLarge(Exception):
    """More pixels than are decoded."""


def _header(data: bytes, max_pixels: int) -> dict[str, object]:
    """What the header says, before any pixel is decoded."""
    with warnings.catch_warnings():
        # A bomb is told of below, in our words.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            picture = Image.open(io.BytesIO(data))
        except Image.DecompressionBombError as error:
            raise _TooLarge(str(error).split(",")[0]) from error
        with picture:
            width, height = picture.size
            if width * height > max_pixels:
                raise _TooLarge(f"{height} x {width} pixels; at most {max_pixels:,}")
            notes: dict[str, object] = {"mode": picture.mode, "format": picture.format}
            # A PNG without EXIF ahead of its pixels would be decoded to look behind.
            if picture.format != "PNG" or "exif" in picture.info:
                orientation = picture.getexif().get(_ORIENTATION, 1)
                if isinstance(orientation, int) and 1 < orientation <= 8:
                    notes["orientation"] = orientation
    return notes
