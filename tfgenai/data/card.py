"""DatasetCard: what a data set holds, in numbers, and how to get it again."""

import dataclasses
from typing import Any

from tfgenai.core import storage
from tfgenai.core.errors import DataError

FORMAT = 1


@dataclasses.dataclass(frozen=True)
class SplitCard:
    """One split, or one slice of a split.

    Args:
        num_examples: number of examples.
        sha256: hash of all images and labels in their order.
        mean: mean of all pixels, of full scale: in [0, 1].
        std: standard deviation of all pixels, of full scale.
        num_duplicates: examples that are exact copies of another in the split.
        label_histogram: number of examples of each class, or None without labels.
    """

    num_examples: int
    sha256: str
    mean: float
    std: float
    num_duplicates: int = 0
    label_histogram: list[int] | None = None


@dataclasses.dataclass(frozen=True)
class DatasetCard:
    """What was loaded: counts, shape, range, labels, hashes, licence and origin.

    Args:
        name: name of the set, or path of its folder.
        source: where it comes from, with versions.
        licence: licence of the data, or words that say that it is unknown.
        homepage: address to read more at, or "".
        reproduce: how to get these very arrays again.
        image_shape: `(height, width, channels)`.
        splits: the splits by name.
        class_names: name of each class, or None without labels.
        dtype: type the images are stored in.
        value_range: lowest and highest value that a stored pixel can take.
        scaled_range: the same of what `tfgenai.data.load` yields.

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
    image_shape: tuple[int, int, int]
    splits: dict[str, SplitCard]
    class_names: list[str] | None = None
    dtype: str = "uint8"
    value_range: tuple[int, int] = (0, 255)
    scaled_range: tuple[float, float] = (-1.0, 1.0)

    @property
    def num_examples(self) -> int:
        """Examples in all splits."""
        return sum(split.num_examples for split in self.splits.values())

    def to_json(self) -> dict[str, Any]:
        """Returns the card as a dictionary that `json` can write."""
        values = dataclasses.asdict(self)
        for key in ("image_shape", "value_range", "scaled_range"):
            values[key] = list(values[key])
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
            for key in ("image_shape", "value_range", "scaled_range"):
                fields[key] = tuple(values[key])
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
        height, width, channels = self.image_shape
        lines = [
            f"{self.name}: {height} x {width} x {channels} {self.dtype} in "
            f"[{self.value_range[0]}, {self.value_range[1]}]",
            f"  source     {self.source}",
            f"  licence    {self.licence}",
        ]
        if self.homepage:
            lines.append(f"  homepage   {self.homepage}")
        if self.class_names is not None:
            names = ", ".join(self.class_names[:12])
            more = ", ..." if len(self.class_names) > 12 else ""
            lines.append(f"  classes    {len(self.class_names)}: {names}{more}")
        lines.append(f"  reproduce  {self.reproduce}")
        for name, split in self.splits.items():
            lines.append(f"{name}: {split.num_examples:,} examples")
            lines.append(f"  mean {split.mean:.4f}, std {split.std:.4f} of full scale")
            if split.num_duplicates:
                lines.append(f"  {split.num_duplicates} exact duplicates")
            if split.label_histogram is not None:
                counts = " ".join(map(str, split.label_histogram[:20]))
                more = " ..." if len(split.label_histogram) > 20 else ""
                lines.append(f"  per class {counts}{more}")
            lines.append(f"  sha256 {split.sha256}")
        return "\n".join(lines)
