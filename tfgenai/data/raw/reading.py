"""Bytes of a file to content, or to the problem with them."""

import io
import warnings

from PIL import Image

from tfgenai.data.image_files import EXTENSIONS as IMAGE_EXTENSIONS
from tfgenai.data.image_files import decode
from tfgenai.data.raw.example import Example, Kind, Problem

EXTENSIONS: dict[Kind, frozenset[str]] = {
    "images": IMAGE_EXTENSIONS,
    "text": frozenset((".txt", ".md")),
    "sound": frozenset((".wav", ".flac", ".ogg")),
}
MAX_PIXELS = 64 * 2**20
MAX_TEXT_BYTES = 2**28

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


def unreadable(name: str, error: OSError) -> Example:
    """An example of a file that could not be opened."""
    codes = {PermissionError: "permission", FileNotFoundError: "missing"}
    code = codes.get(type(error), "unreadable")
    return Example(name, None, problem=Problem(code, error.strerror or str(error)))


def _text(name: str, data: bytes) -> Example:
    if len(data) > MAX_TEXT_BYTES:
        detail = f"{len(data):,} bytes in one text; at most {MAX_TEXT_BYTES:,}"
        return Example(name, None, problem=Problem("too_large", detail))
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
