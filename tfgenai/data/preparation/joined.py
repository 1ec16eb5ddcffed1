"""Several raw sources as one: what was collected, and what a model made for it."""

import dataclasses
from collections.abc import Iterator, Sequence

from tfgenai.core.errors import DataError
from tfgenai.data.raw.example import Example
from tfgenai.data.raw.source import Chunk, RawSource


class JoinedSource(RawSource):
    """Raw sources one behind the other, under the name of the first.

    Args:
        sources: of one kind, with ids of their own.

    Raises:
        DataError: if kinds differ.
    """

    def __init__(self, sources: Sequence[RawSource]) -> None:
        first = sources[0]
        kinds = {source.kind for source in sources}
        if len(kinds) > 1:
            raise DataError(
                f"Sources of one kind were expected. Received: {sorted(kinds)}. "
                "Prepare them one by one."
            )
        self.kind, self.name, self.homepage = first.kind, first.name, first.homepage
        self.origin = " and ".join(source.origin for source in sources)
        self.licence = "; ".join(dict.fromkeys(source.licence for source in sources))
        self._sources = list(sources)
        self._places: list[tuple[RawSource, Chunk]] | None = None

    def chunks(self) -> list[Chunk]:
        """The chunks of all, numbered on."""
        return [
            dataclasses.replace(chunk, number=number)
            for number, (_, chunk) in enumerate(self._found())
        ]

    def read(self, chunk: Chunk) -> Iterator[Example]:
        """The examples of one chunk of one source."""
        source, own = self._found()[chunk.number]
        return source.read(own)

    def notices(self) -> list[str]:
        """Those of all."""
        return [words for source in self._sources for words in source.notices()]

    def fingerprint(self) -> str:
        """Those of all."""
        return "|".join(source.fingerprint() for source in self._sources)

    def _found(self) -> list[tuple[RawSource, Chunk]]:
        if self._places is None:
            self._places = [
                (source, chunk) for source in self._sources for chunk in source.chunks()
            ]
        return self._places
