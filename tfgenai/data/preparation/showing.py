"""Contents as a page shows them: small pictures, short sounds, changes of texts."""

import base64
import io
import itertools

import numpy as np
import soundfile
from PIL import Image

from tfgenai.data.audio.resampling import resample
from tfgenai.data.raw.example import Sound

Content = np.ndarray | str | Sound

_MOST_PIXELS, _LEAST_PIXELS = 160, 84
_MOST_CHARACTERS = 400
_BEFORE_CHANGE = 80
_MOST_SECONDS, _RATE = 3.0, 16000  # a page of a hundred sounds stays below 15 MB
_POINTS, _WIDTH, _HEIGHT = 100, 200, 40

# Controls are not seen, and NUL is no HTML: each has a picture of its own.
_PICTURES = {c: 0x2400 + c for c in range(32) if chr(c) not in "\n\t"} | {127: 0x2421}


def show(content: Content) -> dict[str, str]:
    """Content as a page shows it.

    Returns:
        `text`; or the address of an `image`; or that of a `sound`, with its `wave`, an
        SVG element.
    """
    if isinstance(content, str):
        return {"text": _window(content, 0)}
    buffer = io.BytesIO()
    if isinstance(content, Sound):
        rate = content.sample_rate
        samples = content.samples[: int(_MOST_SECONDS * rate)].mean(1, keepdims=True)
        wave = _wave(samples[:, 0])
        if rate > _RATE:
            samples, rate = resample(samples, rate, _RATE), _RATE
        soundfile.write(buffer, samples, rate, format="WAV", subtype="PCM_16")
        return {"sound": _address("audio/wav", buffer.getvalue()), "wave": wave}
    picture = Image.fromarray(content[..., 0] if content.shape[2] == 1 else content)
    largest = max(picture.size)
    if largest > _MOST_PIXELS:
        picture.thumbnail((_MOST_PIXELS, _MOST_PIXELS))
    elif largest < _LEAST_PIXELS:
        scale = _LEAST_PIXELS // largest
        size = (picture.width * scale, picture.height * scale)
        picture = picture.resize(size, Image.Resampling.NEAREST)
    picture.save(buffer, "PNG")
    return {"image": _address("image/png", buffer.getvalue())}


def show_change(before: Content, after: Content) -> tuple[dict[str, str], ...]:
    """Both contents; of texts the part where they begin to differ, as `changed`.

    `text`, `changed` and `rest` are what stands before, in and behind the change.
    """
    if not (isinstance(before, str) and isinstance(after, str)):
        return show(before), show(after)
    start = _common(before, after)
    most = min(len(before), len(after)) - start
    end = min(most, _common(before[::-1], after[::-1]))
    return tuple(_parts(text, start, len(text) - end) for text in (before, after))


def _common(one: str, two: str) -> int:
    """How many characters two texts have in common at their beginning."""
    pairs = zip(one, two, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _parts(text: str, start: int, end: int) -> dict[str, str]:
    begin = max(0, start - _BEFORE_CHANGE)
    stop = begin + _MOST_CHARACTERS
    return {
        "text": ("…" if begin else "") + _seen(text[begin:start]),
        "changed": _seen(text[start : min(end, stop)]),
        "rest": _seen(text[end:stop]) + ("…" if stop < len(text) else ""),
    }


def _window(text: str, begin: int) -> str:
    stop = begin + _MOST_CHARACTERS
    return _seen(text[begin:stop]) + ("…" if stop < len(text) else "")


def _seen(text: str) -> str:
    return text.translate(_PICTURES)


def _wave(samples: np.ndarray) -> str:
    """Peaks of a sound over its time, above and below a middle line."""
    parts = np.array_split(np.abs(samples), min(_POINTS, max(1, len(samples))))
    step, middle = _WIDTH / len(parts), _HEIGHT / 2
    lines = []
    for place, part in enumerate(parts):
        height = middle * min(1.0, float(part.max(initial=0.0)))
        x = (place + 0.5) * step
        lines.append(f"M{x:.1f} {middle - height:.1f}V{middle + height:.1f}")
    return (
        f'<svg class="wave" viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden="true">'
        f'<path d="{"".join(lines)}"/></svg>'
    )


def _address(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
