"""Raw sources that come with installed packages: digits and pydoc's topics."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tfgenai.data.raw.example import Example
from tfgenai.data.raw.source import Chunk, RawSource

_IN_CHUNK = 512


class RawDigits(RawSource):
    """1,797 handwritten digits of 8 x 8 pixels, from scikit-learn."""

    kind = "images"
    name = "digits"
    homepage = "https://archive.ics.uci.edu/dataset/80"
    licence = "CC BY 4.0"

    def __init__(self) -> None:
        import sklearn

        self.origin = f"scikit-learn {sklearn.__version__}, load_digits"

    def chunks(self) -> list[Chunk]:
        """512 digits each."""
        count = len(_digits()[1])
        return [
            Chunk(i, start=a, stop=min(a + _IN_CHUNK, count))
            for i, a in enumerate(range(0, count, _IN_CHUNK))
        ]

    def read(self, chunk: Chunk) -> Iterator[Example]:
        """See `RawSource.read`."""
        images, labels = _digits()
        for row in range(chunk.start, chunk.stop):
            yield Example(f"digits/{row:04d}", images[row], label=str(labels[row]))


class RawPydocTopics(RawSource):
    """The reference texts in Python's own help, one document a topic."""

    kind = "text"
    name = "pydoc_topics"
    homepage = "https://docs.python.org/3/reference/"
    licence = "PSF-2.0"

    def __init__(self) -> None:
        self.origin = f"Python {sys.version.split()[0]}, pydoc_data.topics"

    def chunks(self) -> list[Chunk]:
        """All topics in one."""
        return [Chunk(0, tuple(sorted(_topics())))]

    def read(self, chunk: Chunk) -> Iterator[Example]:
        """See `RawSource.read`."""
        topics = _topics()
        for name in chunk.names:
            yield Example(f"topics/{name}", topics[name])


CLASSES: dict[str, Callable[..., RawSource]] = {
    "digits": RawDigits,
    "pydoc_topics": RawPydocTopics,
}


def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    found: Any = load_digits()
    # 0 to 16 in the original; the whole range of a byte here.
    images = np.round(found.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    return images, found.target


def _topics() -> dict[str, str]:
    from pydoc_data.topics import topics

    return dict(topics)
