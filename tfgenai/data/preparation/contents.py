"""Contents as bytes in a prepared set: images as files, text as it is, sound as FLAC.

An example that no rule changed keeps the bytes of its own file. Others become PNG, or
FLAC of 24 bits; both are exact, because sound is rounded to 24 bits before.
"""

import dataclasses
import io

import numpy as np
import soundfile
from PIL import Image

from tfgenai.data.image_files import decode
from tfgenai.data.raw.example import Example, Kind, Sound

Content = np.ndarray | str | Sound

_LEVELS = 2**23  # of 24 bits with sign


def settle(example: Example) -> Example:
    """The example as it will be read again.

    Sound without a file of its own is rounded to 24 bits; lone surrogates in text,
    which UTF-8 cannot say, become U+FFFD.

    Example:
        >>> sound = Sound(np.full((4, 1), 0.1, np.float32), 8000)
        >>> settled = settle(Example("a", sound)).content.samples
        >>> bool(abs(settled - 0.1).max() <= 2**-24)
        True
    """
    sound = example.content
    if isinstance(sound, str):
        text = sound.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        return example if text == sound else example.with_content(text)
    if example.data is not None or not isinstance(sound, Sound):
        return example
    levels = np.rint(sound.samples.astype(np.float64) * _LEVELS)
    samples = (np.clip(levels, -_LEVELS, _LEVELS - 1) / _LEVELS).astype(np.float32)
    return dataclasses.replace(example, content=Sound(samples, sound.sample_rate))


def encode(example: Example) -> bytes:
    """Bytes that `decode_content` makes the content of again, to the last bit.

    Args:
        example: one with content, after `settle`.
    """
    content = example.content
    if isinstance(content, str):
        return content.encode("utf-8")
    if example.data is not None:
        return example.data
    buffer = io.BytesIO()
    if isinstance(content, Sound):
        soundfile.write(
            buffer,
            np.rint(content.samples.astype(np.float64) * _LEVELS).astype(np.int32) << 8,
            content.sample_rate,
            format="FLAC",
            subtype="PCM_24",
        )
    elif content is not None:
        pixels = content[..., 0] if content.shape[-1] == 1 else content
        Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def decode_content(data: bytes, kind: Kind) -> Content:
    """The content of bytes that `encode` made.

    Args:
        data: the bytes.
        kind: "images", "text" or "sound".

    Raises:
        ValueError: if they are no such content.
    """
    if kind == "text":
        return data.decode("utf-8")
    if kind == "images":
        return decode(data)
    from tfgenai.data.raw.sound_files import decode_sound

    return decode_sound(data)
