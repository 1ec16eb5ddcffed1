"""Synthesis: samples of a model as raw data, marked as such and capped by class."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfgenai.core.errors import DataError
from tfgenai.core.numpy_random import check_seed, numpy_generator
from tfgenai.data.raw.example import Example, Kind
from tfgenai.data.raw.source import Chunk, RawSource

_IN_CHUNK = 256
_STREAM = 0x73796E


class SyntheticSource(RawSource):
    """Examples that a model made, for `tfgenai.data.prepare(..., synthetic=[...])`.

    Args:
        examples: the examples, with `synthetic` set.
        kind: "images" or "text".
        origin: words on the model, for the card.
        notices: what there is to say.
    """

    name = "synthetic"

    def __init__(
        self,
        examples: list[Example],
        *,
        kind: Kind,
        origin: str = "samples of a model",
        notices: list[str] | None = None,
    ) -> None:
        self.kind, self.origin = kind, origin
        self._examples = examples
        self._notices = notices or []

    def __len__(self) -> int:
        return len(self._examples)

    def chunks(self) -> list[Chunk]:
        """256 examples each."""
        count = len(self._examples)
        return [
            Chunk(i, start=start, stop=min(start + _IN_CHUNK, count))
            for i, start in enumerate(range(0, count, _IN_CHUNK))
        ]

    def read(self, chunk: Chunk) -> Iterator[Example]:
        """See `RawSource.read`."""
        yield from self._examples[chunk.start : chunk.stop]

    def notices(self) -> list[str]:
        """See `RawSource.notices`."""
        return list(self._notices)

    def fingerprint(self) -> str:
        """Of all contents."""
        digest = hashlib.sha256(self.origin.encode())
        for example in self._examples:
            digest.update(example.id.encode() + example.sha256())
        return digest.hexdigest()


def synthesize(
    generate: Callable[..., Any],
    counts: Mapping[int, int],
    *,
    kind: Kind = "images",
    class_names: "list[str] | None" = None,
    existing: Mapping[int, int] | None = None,
    cap: float = 0.5,
    seed: int = 0,
) -> SyntheticSource:
    """Asks a model for examples of classes.

    Args:
        generate: called as `generate(n, labels=..., seed=...)`, with int32 labels
            `(n,)`: the method of any trained model of this package, or a function that
            returns images, float in [-1, 1] or uint8 `(n, height, width, channels)`, or
            `n` strings.
        counts: how many of each class are wanted, by its number.
        kind: "images" or "text".
        class_names: names of the classes, by number; None for the numbers.
        existing: how many real examples of each class there are; with it, `cap` holds.
        cap: largest share of a class that may be made: of 100 real ones and a cap of
            0.5, at most 100 are added.
        seed: what each class's own seed is drawn from.

    Returns:
        A source whose `notices` say where the cap cut.

    Raises:
        DataError: if `generate` returns something else, or numbers that are not finite;
            or if nothing is left to be made.
        ValueError: if a count, a class or the cap is out of range.

    Example:
        >>> def generate(n, labels, seed):
        ...     return np.zeros((n, 4, 4, 1), np.float32)
        >>> source = synthesize(generate, {0: 3}, existing={0: 2}, cap=0.5)
        >>> len(source), source.notices()
        (2, ['class 0: 2 of 3 made, because of the cap of 0.5'])
    """
    check_seed(seed)
    if not 0.0 < cap < 1.0:
        raise ValueError(f"A share in (0, 1) was expected. Received: {cap=}.")
    examples: list[Example] = []
    notices: list[str] = []
    for label, wanted in sorted(counts.items()):
        if wanted < 0:
            raise ValueError(
                f"Counts from 0 on were expected. Received: {wanted} of class {label}."
            )
        count = int(wanted)
        if existing is not None:
            count = min(count, int(existing.get(label, 0) * cap / (1.0 - cap) + 1e-9))
        if class_names is not None and not 0 <= label < len(class_names):
            raise ValueError(
                f"Classes from 0 to {len(class_names) - 1} were expected. Received: "
                f"{label}."
            )
        name = str(label) if class_names is None else class_names[label]
        if count < wanted:
            notices.append(
                f"class {name}: {count} of {wanted} made, because of the cap of {cap}"
            )
        if not count:
            continue
        own = int(numpy_generator(seed, _STREAM, label).integers(2**31))
        made = generate(count, labels=np.full(count, label, np.int32), seed=own)
        contents: Sequence[Any] = (
            _texts(made, count) if kind == "text" else _images(made, count)
        )
        examples += [
            Example(f"synthetic/{name}/{i:06d}", one, label=name, synthetic=True)
            for i, one in enumerate(contents)
        ]
    if not examples:
        raise DataError(
            "Samples to make were expected. Received: none of "
            f"{dict(sorted(counts.items()))}, with {cap=}. Raise the counts or the cap."
        )
    return SyntheticSource(examples, kind=kind, notices=notices)


def _texts(made: Any, count: int) -> list[str]:
    is_text = isinstance(made, list) and all(isinstance(one, str) for one in made)
    if not is_text or len(made) != count:
        raise DataError(
            f"A list of {count} strings was expected of `generate`. Received: "
            f"{type(made).__name__} {str(made)[:60]!r}."
        )
    return list(made)


def _images(made: Any, count: int) -> list[np.ndarray]:
    try:
        images = np.asarray(made)
    except ValueError:
        images = np.empty(0, object)  # rows of differing lengths
    is_image = images.dtype == np.uint8 or images.dtype.kind == "f"
    if images.ndim != 4 or len(images) != count or images.shape[3] not in (1, 3):
        is_image = False
    if not is_image:
        raise DataError(
            f"{count} images (n, height, width, 1 or 3), uint8 or float in [-1, 1], "
            "were expected of `generate`. Received: "
            f"{images.dtype} {images.shape}."
        )
    if images.dtype == np.uint8:
        return list(images)
    values = images.astype(np.float32)
    if not np.isfinite(values).all() or np.abs(values).max(initial=0.0) > 1.0 + 1e-3:
        raise DataError(
            "Numbers in [-1, 1] were expected of `generate`. Received: some that are "
            "not finite or beyond."
        )
    levels = np.rint((np.clip(values, -1.0, 1.0) + 1.0) * 127.5)
    return list(levels.astype(np.uint8))
