"""Items: examples of a raw source by id, read when they are shown."""

import collections
import io

import numpy as np
import soundfile
from PIL import Image

from tfgenai.core.errors import DataError
from tfgenai.data.raw.example import Example, Kind, Sound
from tfgenai.data.raw.source import RawSource

_CHUNKS_KEPT = 2
_LEAST_PIXELS = 280  # small pictures are shown larger, pixel by pixel
_MOST_TEXT = 100_000


class Items:
    """The readable examples of a source, a few chunks of them in memory.

    Args:
        source: the raw data.

    Raises:
        DataError: if none can be read.
    """

    def __init__(self, source: RawSource) -> None:
        self._source = source
        self.kind: Kind = source.kind
        self._chunks = list(source.chunks())
        self._kept: collections.OrderedDict[int, dict[str, Example]] = (
            collections.OrderedDict()
        )
        self._places: dict[str, int] = {}
        self.given: dict[str, str | None] = {}
        for number, chunk in enumerate(self._chunks):
            for example in source.read(chunk):
                if example.content is not None:
                    self._places[example.id] = number
                    self.given[example.id] = example.label
        if not self._places:
            raise DataError(
                "Examples that can be read were expected. Received: "
                f"{source.name!r} with none."
            )

    def ids(self) -> list[str]:
        """All ids, in the order of the source."""
        return list(self._places)

    def get(self, name: str) -> Example:
        """The example of an id.

        Raises:
            DataError: if there is none.
        """
        if name not in self._places:
            raise DataError(f"An item's id was expected. Received: {name!r}.")
        number = self._places[name]
        if number not in self._kept:
            chunk = self._chunks[number]
            self._kept[number] = {e.id: e for e in self._source.read(chunk)}
            if len(self._kept) > _CHUNKS_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(number)
        return self._kept[number][name]

    def media(self, name: str) -> tuple[bytes, str]:
        """What a browser shows or plays: bytes and their type."""
        content = self.get(name).content
        buffer = io.BytesIO()
        if isinstance(content, Sound):
            soundfile.write(buffer, content.samples, content.sample_rate, format="WAV")
            return buffer.getvalue(), "audio/wav"
        if isinstance(content, str):
            return content[:_MOST_TEXT].encode("utf-8", "replace"), "text/plain"
        pixels = np.asarray(content)
        picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        scale = max(1, _LEAST_PIXELS // max(picture.size))
        size = (picture.width * scale, picture.height * scale)
        picture.resize(size, Image.Resampling.NEAREST).save(buffer, "PNG")
        return buffer.getvalue(), "image/png"
