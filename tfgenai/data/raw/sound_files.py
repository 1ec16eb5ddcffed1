"""Sound files: samples out of a file's bytes, or the problem with them."""

import dataclasses
import io
import os
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from tfgenai.data.raw.example import Problem, Sound

EXTENSIONS = frozenset((".flac", ".ogg", ".wav"))
MAX_SECONDS = 3600.0

_MAX_RATE, _MAX_CHANNELS = 655_350, 8  # what FLAC can hold, in which sound is kept
_MAX_VALUES = 2**26  # decoded, 256 MiB: whatever its rate and number of channels
_BLOCK = 2**16  # frames read at a time: memory that a header announces stays untouched
_UNKNOWN_SIZE = (0, 2**32 - 1)  # what recorders write who do not know the end yet
_LAST_PAGE = 4  # flag of the page that ends an Ogg stream


class SoundFileError(ValueError):
    """A file that no sound could be made of.

    Args:
        code: one of those of `Problem`.
        detail: the reason in words.

    Attributes:
        problem: both as a `Problem`.
    """

    def __init__(self, code: str, detail: str) -> None:
        self.problem = Problem(code, " ".join(detail.split()))
        super().__init__(self.problem.detail)


@dataclasses.dataclass(frozen=True)
class SoundHeader:
    """What a file says of itself.

    Args:
        sample_rate: samples in a second, Hz.
        channels: samples at a time.
        num_samples: length in samples of one channel; a file may lie.
    """

    sample_rate: int
    channels: int
    num_samples: int


def decode_sound(data: bytes, *, max_seconds: float | None = MAX_SECONDS) -> Sound:
    """Decodes the bytes of a sound file.

    Args:
        data: a whole WAV, FLAC or Ogg (Vorbis, Opus) file, of any rate up to 655,350 Hz
            and up to 8 channels.
        max_seconds: longest sound that is decoded; None leaves only the bound on
            memory, 2**26 values, which is 12 minutes of stereo at 44.1 kHz.

    Returns:
        `Sound` with float32 samples in [-1, 1]. What a file of floats holds beyond is
        cut off there, as it would be when it is played.

    Raises:
        SoundFileError: a ValueError whose `problem` says "unreadable", "truncated" or
            "too_large".

    Example:
        >>> buffer = io.BytesIO()
        >>> soundfile.write(buffer, np.zeros((80, 2)), 8000, format="WAV")
        >>> sound = decode_sound(buffer.getvalue())
        >>> sound.samples.shape, sound.seconds
        ((80, 2), 0.01)
    """
    cut_off = _what_is_missing(data)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            most = _most_frames(file, max_seconds)
            wanted, count = min(file.frames, most + 1), 0
            samples = np.empty((wanted, file.channels), np.float32)
            while count < wanted:
                block = file.read(out=samples[count : count + _BLOCK])
                if not len(block):
                    break
                count += len(block)
            announced, rate = file.frames, file.samplerate
    except (soundfile.SoundFileError, RuntimeError) as error:
        # libFLAC does not tell an end that comes too early from damage in the middle.
        if data[:4] == b"fLaC" and "lost sync" in str(error):
            cut_off = cut_off or "it is cut off or damaged: the decoder lost sync"
        code = "truncated" if cut_off else "unreadable"
        raise SoundFileError(code, cut_off or _words(error)) from error
    if count > most:
        raise SoundFileError("too_large", f"more than {most} samples at {rate} Hz")
    if cut_off is None and count < announced:
        cut_off = f"{count} of {announced} samples are there"
    if cut_off is not None:
        raise SoundFileError("truncated", cut_off)
    if not count:
        raise SoundFileError("unreadable", "it holds no samples")
    samples = samples[:count]
    if not np.isfinite(samples).all():
        raise SoundFileError("unreadable", "it holds samples that are no numbers")
    return Sound(np.clip(samples, -1.0, 1.0, out=samples), rate)


def read_sound(
    path_or_data: "str | os.PathLike[str] | bytes",
    *,
    max_seconds: float | None = MAX_SECONDS,
) -> Sound:
    """Reads a sound file.

    Args:
        path_or_data: the file, or its bytes.
        max_seconds: see `decode_sound`.

    Returns:
        `Sound`.

    Raises:
        SoundFileError: as `decode_sound`; also "missing" and "permission".
    """
    if isinstance(path_or_data, bytes):
        return decode_sound(path_or_data, max_seconds=max_seconds)
    try:
        data = Path(path_or_data).read_bytes()
    except FileNotFoundError as error:
        raise SoundFileError("missing", "there is no such file") from error
    except PermissionError as error:
        raise SoundFileError("permission", "it may not be read") from error
    except OSError as error:
        raise SoundFileError("unreadable", error.strerror or str(error)) from error
    return decode_sound(data, max_seconds=max_seconds)


def header_of_sound(file: "str | os.PathLike[str] | BinaryIO") -> SoundHeader:
    """Reads what a sound file says of itself, without decoding it.

    Args:
        file: a path, or a file that is open for reading bytes.

    Raises:
        SoundFileError: "unreadable", if it is no sound file.
        OSError: if the file cannot be opened.
    """
    if isinstance(file, (str, os.PathLike)):
        with open(file, "rb") as opened:
            return header_of_sound(opened)
    try:
        with soundfile.SoundFile(file) as sound:
            return SoundHeader(sound.samplerate, sound.channels, sound.frames)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise SoundFileError("unreadable", _words(error)) from error


def _most_frames(file: soundfile.SoundFile, max_seconds: float | None) -> int:
    """Frames that may be decoded; refuses at once what announces many more."""
    if not 1 <= file.samplerate <= _MAX_RATE or file.channels > _MAX_CHANNELS:
        raise SoundFileError(
            "unreadable",
            f"{file.samplerate} Hz in {file.channels} channels, beyond {_MAX_RATE} Hz "
            f"or {_MAX_CHANNELS} channels",
        )
    most = _MAX_VALUES // max(file.channels, 1)
    if max_seconds is not None:
        most = min(most, int(max_seconds * file.samplerate))
    # A stream of unknown length announces 2**63 - 1; it is read as far as it may be.
    if most < file.frames < 2**63 - 1:
        raise SoundFileError(
            "too_large",
            f"it announces {file.frames} samples of {file.channels} channels at "
            f"{file.samplerate} Hz, {file.frames / file.samplerate:.0f} s",
        )
    return most


def _what_is_missing(data: bytes) -> str | None:
    """Says how a file is cut off, where libsndfile would pass over it."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return _missing_of_wav(data)
    if data[:4] == b"OggS":
        return _missing_of_ogg(data)
    if data[:4] == b"fLaC":
        return _missing_of_flac(data)
    return None


def _missing_of_wav(data: bytes) -> str | None:
    place = 12
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        place += 8
        there = len(data) - place
        if name == b"data":
            if size in _UNKNOWN_SIZE or size <= there:
                return None
            return f"{there} of {size} bytes of samples are there"
        if size > there:
            return f"{there} of {size} bytes of its header are there"
        place += size + size % 2  # chunks begin at even places
    return "it ends before its samples"


def _missing_of_ogg(data: bytes) -> str | None:
    place, flags = 0, 0
    while data[place : place + 4] == b"OggS":
        table = place + 27
        if table > len(data) or table + data[table - 1] > len(data):
            return "its last page is not complete"
        flags = data[place + 5]
        segments = data[table : table + data[table - 1]]
        place = table + len(segments) + sum(segments)
        if place > len(data):
            return "its last page is not complete"
    return None if flags & _LAST_PAGE else "its last page is missing"


def _missing_of_flac(data: bytes) -> str | None:
    """Looks at the blocks before the samples; what follows has no lengths."""
    place, is_last = 4, False
    while not is_last and place + 4 <= len(data):
        is_last = bool(data[place] & 0x80)
        place += 4 + int.from_bytes(data[place + 1 : place + 4], "big")
    return None if is_last and place < len(data) else "it ends before its samples"


def _words(error: Exception) -> str:
    text = getattr(error, "error_string", "") or str(error)
    return text.removeprefix("Error : ") or type(error).__name__
