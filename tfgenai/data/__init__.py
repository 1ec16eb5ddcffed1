"""Raw data to `tf.data` datasets: sources, splits, cards, representations of sound.

Names are loaded when they are first used, so that a card can be read without
TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfgenai.data import audio as audio
    from tfgenai.data import augment as augment
    from tfgenai.data.arrays import ImageArrays as ImageArrays
    from tfgenai.data.arrays import describe as describe
    from tfgenai.data.arrays import load_arrays as load_arrays
    from tfgenai.data.balance import balanced_rows as balanced_rows
    from tfgenai.data.balance import class_weights as class_weights
    from tfgenai.data.card import DatasetCard as DatasetCard
    from tfgenai.data.card import SplitCard as SplitCard
    from tfgenai.data.content import example_hashes as example_hashes
    from tfgenai.data.dataset import ImageDataset as ImageDataset
    from tfgenai.data.offline import import_files as import_files
    from tfgenai.data.partitioning import folds as folds
    from tfgenai.data.partitioning import partition as partition
    from tfgenai.data.pipeline import load as load
    from tfgenai.data.preparation import Prepared as Prepared
    from tfgenai.data.preparation import PrepareRecipe as PrepareRecipe
    from tfgenai.data.preparation import prepare as prepare
    from tfgenai.data.raw import open_raw as open_raw
    from tfgenai.data.sound_dataset import SoundDataset as SoundDataset
    from tfgenai.data.sources import SoundSource as SoundSource
    from tfgenai.data.sources import Source as Source
    from tfgenai.data.sources import TextSource as TextSource
    from tfgenai.data.sources.arrays import ArraySource as ArraySource
    from tfgenai.data.synthesis import SyntheticSource as SyntheticSource
    from tfgenai.data.synthesis import synthesize as synthesize
    from tfgenai.data.text_dataset import TextDataset as TextDataset
    from tfgenai.data.tokenizers import BPETokenizer as BPETokenizer
    from tfgenai.data.tokenizers import ByteTokenizer as ByteTokenizer
    from tfgenai.data.tokenizers import CharTokenizer as CharTokenizer
    from tfgenai.data.tokenizers import Tokenizer as Tokenizer

_HOMES = {
    "ArraySource": "sources.arrays",
    "BPETokenizer": "tokenizers",
    "ByteTokenizer": "tokenizers",
    "CharTokenizer": "tokenizers",
    "balanced_rows": "balance",
    "class_weights": "balance",
    "synthesize": "synthesis",
    "SyntheticSource": "synthesis",
    "DatasetCard": "card",
    "ImageArrays": "arrays",
    "ImageDataset": "dataset",
    "SoundDataset": "sound_dataset",
    "SoundSource": "sources",
    "Source": "sources",
    "SplitCard": "card",
    "describe": "arrays",
    "example_hashes": "content",
    "folds": "partitioning",
    "import_files": "offline",
    "load": "pipeline",
    "load_arrays": "arrays",
    "open_raw": "raw",
    "partition": "partitioning",
    "prepare": "preparation",
    "PrepareRecipe": "preparation",
    "Prepared": "preparation",
    "TextDataset": "text_dataset",
    "TextSource": "sources",
    "Tokenizer": "tokenizers",
}

__all__ = [  # noqa: RUF022 - sorted without regard to case
    "ArraySource",
    "audio",
    "augment",
    "balanced_rows",
    "BPETokenizer",
    "ByteTokenizer",
    "CharTokenizer",
    "class_weights",
    "DatasetCard",
    "describe",
    "example_hashes",
    "folds",
    "ImageArrays",
    "ImageDataset",
    "import_files",
    "load",
    "load_arrays",
    "open_raw",
    "partition",
    "prepare",
    "Prepared",
    "PrepareRecipe",
    "SoundDataset",
    "SoundSource",
    "Source",
    "SplitCard",
    "synthesize",
    "SyntheticSource",
    "TextDataset",
    "TextSource",
    "Tokenizer",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"tfgenai.data.{_HOMES[name]}"), name)
    if name in ("audio", "augment", "tokenizers"):
        return importlib.import_module(f"tfgenai.data.{name}")
    raise AttributeError(f"module 'tfgenai.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
