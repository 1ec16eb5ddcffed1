"""The card of a prepared set: counts before and after each rule, splits, hashes."""

import hashlib
import importlib.metadata
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import tfgenai
from tfgenai.data.card import DatasetCard, SplitCard
from tfgenai.data.clean.rule import Rule
from tfgenai.data.preparation.judging import Judgement
from tfgenai.data.preparation.ledger import count_rules
from tfgenai.data.preparation.recipe import PrepareRecipe
from tfgenai.data.raw.source import RawSource

_LIBRARIES = ("numpy", "pillow", "pyarrow", "scikit-learn", "ftfy", "soundfile")


def make_card(
    recipe: PrepareRecipe,
    source: RawSource,
    rules: Sequence[Rule],
    judgement: Judgement,
    ledger: pa.Table,
) -> DatasetCard:
    """Describes a prepared set.

    Args:
        recipe: how it was made.
        source: of what.
        rules: in the order in which they ran.
        judgement: what was decided.
        ledger: the same in words.
    """
    kept = ledger.filter(pc.is_valid(ledger["split"]))
    labels = kept["label"].to_pylist()
    named = sorted({label for label in labels if label is not None})
    classes = named or None
    return DatasetCard(
        name=recipe.name,
        source=source.origin,
        licence=recipe.licence or source.licence,
        homepage=source.homepage,
        reproduce="tfgenai data prepare recipe.yaml",
        image_shape=_image_shape(kept) if source.kind == "images" else None,
        splits={
            name: _split_card(kept.filter(pc.equal(kept["split"], name)), classes)
            for name in judgement.split_order
        },
        class_names=classes,
        dtype={"images": "uint8", "text": "utf-8", "sound": "float32"}[source.kind],
        preparation={
            "kind": source.kind,
            "num_raw": len(ledger),
            "num_dropped": len(ledger) - len(kept),
            "num_repaired": _count(kept, "fate", "repaired"),
            "num_synthetic": _count(kept, "synthetic", True),
            "num_unlabelled": labels.count(None) if named else 0,
            "rules": count_rules(ledger, rules),
            "leaks": {
                "action": recipe.leaks.action,
                **{
                    kind: sum(leak.kind == kind for leak in judgement.leaks)
                    for kind in ("exact", "near", "ngrams")
                },
            },
            "notices": source.notices(),
            "raw_sha256": _hash(ledger["raw_sha256"]),
            "recipe_sha256": hashlib.sha256(recipe.to_yaml().encode()).hexdigest(),
            "versions": {
                "tfgenai": tfgenai.__version__,
                **{name: importlib.metadata.version(name) for name in _LIBRARIES},
            },
        },
    )


def _split_card(rows: pa.Table, classes: list[str] | None) -> SplitCard:
    histogram = None
    content = hashlib.sha256(b"".join(rows["sha256"].to_pylist()))
    if classes is not None:
        numbers = {name: i for i, name in enumerate(classes)}
        labels = np.array(
            [numbers.get(label, -1) for label in rows["label"].to_pylist()], "<i4"
        )
        content.update(labels.data)
        histogram = np.bincount(labels[labels >= 0], minlength=len(classes)).tolist()
    values: dict[str, Any] = {}
    if "square_sum" in rows.column_names:
        height, width, channels = (
            rows[name].to_numpy().astype(np.float64)
            for name in ("height", "width", "channels")
        )
        count = float(np.sum(height * width * channels))
        mean = float(rows["sum"].to_numpy().sum()) / count
        square = float(rows["square_sum"].to_numpy().sum()) / count
        values["mean"] = round(mean / 255.0, 6)
        values["std"] = round(max(square - mean**2, 0.0) ** 0.5 / 255.0, 6)
    elif "characters" in rows.column_names:
        values["num_characters"] = int(rows["characters"].to_numpy().sum())
        values["num_bytes"] = int(rows["bytes"].to_numpy().sum())
    return SplitCard(
        num_examples=len(rows),
        sha256=content.hexdigest(),
        num_duplicates=len(rows) - len(set(rows["sha256"].to_pylist())),
        label_histogram=histogram,
        **values,
    )


def _image_shape(rows: pa.Table) -> tuple[int, int, int]:
    """The shape of all images, or the largest of each axis where they differ."""
    height, width, channels = (
        int(pc.max(rows[name]).as_py()) for name in ("height", "width", "channels")
    )
    return height, width, channels


def _count(rows: pa.Table, column: str, value: Any) -> int:
    return int(pc.sum(pc.equal(rows[column], value)).as_py() or 0)


def _hash(column: pa.ChunkedArray) -> str:
    return hashlib.sha256(b"".join(column.to_pylist())).hexdigest()
