"""DatasetCard: what a data set holds, in numbers, and how to get it again."""

import dataclasses
from typing import Any

from tfgenai.core import storage
from tfgenai.core.errors import DataError

FORMAT = 1

_TUPLES = ("image_shape", "value_range", "scaled_range")


@dataclasses.dataclass(frozen=True)
class SplitCard:
    """One split, or one slice of a split.

    Args:
        num_examples: number of examples: of images, sounds, or documents.
        sha256: hash of all images or sounds and labels, or documents, in their order.
        mean: mean of all pixels, of full scale: in [0, 1]; None of text and sound.
        std: standard deviation of all pixels, of full scale; None likewise.
        num_duplicates: examples that are exact copies of another in the split.
        label_histogram: number of examples of each class, or None without labels.
        num_characters: code points of text, or None.
        num_bytes: bytes of text in UTF-8, or None.
        num_tokens: tokens of text without those between documents, or None.
        num_seconds: length of all sounds together, seconds, or None.
    """

    num_examples: int
    sha256: str
    mean: float | None = None
    std: float | None = None
    num_duplicates: int = 0
    label_histogram: list[int] | None = None
    num_characters: int | None = None
    num_bytes: int | None = None
    num_tokens: int | None = None
    num_seconds: float | None = None


@dataclasses.dataclass(frozen=True)
class DatasetCard:
    """What was loaded: counts, shape, range, labels, hashes, licence and origin.

    Args:
        name: name of the set, or path of its folder.
        source: where it comes from, with versions.
        licence: licence of the data, or words that say that it is unknown.
        homepage: address to read more at, or "".
        reproduce: how to get these very arrays again; in that of text, `tokenizer`
            stands for one that was given, not made by `load`.
        image_shape: `(height, width, channels)`, or None of text and sound.
        splits: the splits by name.
        class_names: name of each class, or None without labels.
        dtype: type the images or samples are stored in; of text "utf-8".
        value_range: lowest and highest value that a stored pixel, byte or sample can
            take.
        scaled_range: the same of what `tfgenai.data.load` yields: of pixels in floats,
            or of tokens.
        tokenizer: what makes tokens of the text, in words, or None.
        sample_rate: samples of sound a second, Hz, or None.
        channels: channels of sound, or None.
        preparation: what became of the raw data, of a set that `tfgenai data prepare`
            made: counts before and after each rule, leaks, exceptions; else None.

    Example:
        >>> split = SplitCard(num_examples=2, sha256="0" * 64, mean=0.5, std=0.5)
        >>> card = DatasetCard(
        ...     name="dots", source="memory", licence="CC0", homepage="",
        ...     reproduce="", image_shape=(2, 2, 1), splits={"train": split})
        >>> DatasetCard.from_json(card.to_json()) == card
        True
    """

    name: str
    source: str
    licence: str
    homepage: str
    reproduce: str
    image_shape: tuple[int, int, int] | None
    splits: dict[str, SplitCard]
    class_names: list[str] | None = None
    dtype: str = "uint8"
    value_range: tuple[int, int] = (0, 255)
    scaled_range: tuple[float, float] = (-1.0, 1.0)
    tokenizer: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    preparation: dict[str, Any] | None = None

    @property
    def num_examples(self) -> int:
        """Examples in all splits."""
        return sum(split.num_examples for split in self.splits.values())

    def to_json(self) -> dict[str, Any]:
        """Returns the card as a dictionary that `json` can write."""
        values = dataclasses.asdict(self)
        for key in _TUPLES:
            values[key] = None if values[key] is None else list(values[key])
        return {"format": FORMAT, **values}

    @classmethod
    def from_json(cls, values: Any) -> "DatasetCard":
        """Makes a card of what `to_json` returned.

        Raises:
            DataError: if `values` is not a card.
        """
        try:
            if values["format"] != FORMAT:
                raise ValueError(f"format {values['format']!r} is unknown")
            fields = {key: value for key, value in values.items() if key != "format"}
            fields["splits"] = {
                str(name): SplitCard(**split)
                for name, split in values["splits"].items()
            }
            for key in _TUPLES:
                has_none = key == "image_shape" and values[key] is None
                fields[key] = None if has_none else tuple(values[key])
            return cls(**fields)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                "The content of a data card was expected. Received: "
                f"values={str(values)[:80]!r} ({error!r}). Write the card again with "
                "DatasetCard.save."
            ) from error

    def save(self, path: storage.PathLike) -> None:
        """Writes the card as JSON.

        Raises:
            StorageError: if the folder cannot be written to.
        """
        storage.write_json(path, self.to_json())

    @classmethod
    def load(cls, path: storage.PathLike) -> "DatasetCard":
        """Reads a card that `save` wrote.

        Raises:
            StorageError: if the file cannot be read.
            DataError: if it is not a card.
        """
        return cls.from_json(storage.read_json(path))

    def __str__(self) -> str:
        lines = [
            f"{self.name}: {self._kind()}",
            f"  source     {self.source}",
            f"  licence    {self.licence}",
        ]
        if self.homepage:
            lines.append(f"  homepage   {self.homepage}")
        if self.class_names is not None:
            names = ", ".join(self.class_names[:12])
            more = ", ..." if len(self.class_names) > 12 else ""
            lines.append(f"  classes    {len(self.class_names)}: {names}{more}")
        if self.tokenizer is not None:
            lines.append(f"  tokenizer  {self.tokenizer}")
        lines.append(f"  reproduce  {self.reproduce}")
        for name, split in self.splits.items():
            lines.append(f"{name}: {split.num_examples:,} {self._examples}")
            if split.mean is not None and split.std is not None:
                lines.append(
                    f"  mean {split.mean:.4f}, std {split.std:.4f} of full scale"
                )
            for unit in ("characters", "bytes", "tokens"):
                count = getattr(split, f"num_{unit}")
                if count is not None:
                    lines.append(f"  {count:,} {unit}")
            if split.num_seconds is not None:
                lines.append(f"  {split.num_seconds:,.1f} seconds")
            if split.num_duplicates:
                lines.append(f"  {split.num_duplicates} exact duplicates")
            if split.label_histogram is not None:
                counts = " ".join(map(str, split.label_histogram[:20]))
                more = " ..." if len(split.label_histogram) > 20 else ""
                lines.append(f"  per class {counts}{more}")
            lines.append(f"  sha256 {split.sha256}")
        return "\n".join(lines)

    @property
    def _examples(self) -> str:
        is_text = self.image_shape is None and self.sample_rate is None
        return "documents" if is_text else "examples"

    def _kind(self) -> str:
        if self.sample_rate is not None:
            names = {1: "mono", 2: "stereo"}
            what = names.get(self.channels or 0, f"{self.channels} channels")
            return f"sound, {self.sample_rate} Hz {what}"
        if self.image_shape is None:
            return f"text in {self.dtype.upper()}"
        height, width, channels = self.image_shape
        low, high = self.value_range
        return f"{height} x {width} x {channels} {self.dtype} in [{low}, {high}]"
