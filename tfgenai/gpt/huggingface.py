"""GPT-2 and Llama from folders as Hugging Face's transformers writes them."""

import os
import warnings
from pathlib import Path
from typing import Any, Self

import tensorflow as tf

from tfgenai.core import storage
from tfgenai.core.errors import CheckpointError, ConfigError, DataError, StorageError
from tfgenai.data.tokenizers import BPETokenizer, Tokenizer
from tfgenai.gpt.huggingface_config import to_arguments
from tfgenai.gpt.huggingface_weights import load_weights
from tfgenai.gpt.tensor_files import open_tensors

# What may be chosen without making another function of the weights.
_FREE = ("dropout", "remat", "seed", "ema_decay", "name", "dtype", "end_token")
_CONTEXT = ("max_sequence_length", "sliding_window")
_TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "tokenizer.model")


class HuggingFaceFolders:
    """The part of `GPT` that reads folders of `transformers`."""

    @classmethod
    def from_huggingface(
        cls,
        folder: str | os.PathLike[str],
        *,
        tokenizer: Tokenizer | str | None = "auto",
        **overrides: Any,
    ) -> Self:
        """Makes a model from a folder with a GPT-2 or a Llama.

        It holds `config.json` and `model.safetensors`, or shards with their index; and
        for a byte-level BPE `tokenizer.json`, or `vocab.json` and `merges.txt`. Weights
        of half precision become float32. Nothing is downloaded, and no pickle is read.
        What the config asks for and `GPT` does not compute is refused.

        The logits are those of `transformers` for texts of one document. In ours, a
        document does not see the documents before it: behind an end token within a
        text, the logits are those of a text that begins there.

        Args:
            folder: path of the folder.
            tokenizer: a `Tokenizer`; `"auto"` for the folder's, with a warning where
                there is one that cannot be read; `"require"` for the folder's or an
                error; None for a model of token ids.
            **overrides: `dropout`, `remat`, `seed`, `ema_decay`, `name`, `dtype`,
                `end_token`, `sliding_window` and `max_sequence_length` of the
                constructor. The last may be smaller than the folder's, or with rotary
                positions larger.

        Returns:
            A model with the folder's weights.

        Raises:
            ConfigError: if the config is of another kind of model, asks for what `GPT`
                does not compute, or does not go with an override.
            CheckpointError: if tensors are missing, left over, torn, of another shape
                or pickled.
            DataError: if a tokenizer is required and cannot be read.
            StorageError: if a file cannot be read.

        Example:
            ```python
            gpt = tg.GPT.from_huggingface("models/gpt2", dtype="mixed_bfloat16")
            gpt.generate("The meaning of life is", max_new_tokens=20, seed=1)
            ```
        """
        folder = Path(folder)
        if not (folder / "config.json").is_file():
            raise CheckpointError(
                "A folder with config.json was expected. Received: "
                f"folder={os.fspath(folder)!r}. Nothing is downloaded here; fetch it "
                "first: hf download openai-community/gpt2 --local-dir gpt2"
            )
        config = storage.read_json(folder / "config.json")
        arguments = to_arguments(config)
        num_positions = arguments["max_sequence_length"]
        _check_overrides(arguments, overrides)
        found = find_tokenizer(folder, tokenizer, arguments["vocabulary_size"])
        if found is not None:
            del arguments["end_token"]
        make: Any = cls
        with open_tensors(folder) as tensors:
            model = make(**{**arguments, "tokenizer": found, **overrides})
            load_weights(
                model.decoder,
                tensors,
                config["model_type"],
                num_positions=num_positions,
            )
        for weight, average in model.ema.pairs:
            average.assign(tf.cast(weight.value, tf.float32))
        return model  # type: ignore[no-any-return]


def find_tokenizer(
    folder: Path, choice: Tokenizer | str | None, vocabulary_size: int
) -> Tokenizer | None:
    """The tokenizer of a folder, or the one that was given.

    Args:
        folder: with the files of the tokenizer.
        choice: see `GPT.from_huggingface`.
        vocabulary_size: tokens of the model.

    Raises:
        ConfigError: if `choice` is another word.
        DataError: if a tokenizer is required and cannot be read.
        StorageError: if a tokenizer is required and its file is torn.
    """
    if not isinstance(choice, str):
        return choice
    if choice not in ("auto", "require"):
        raise ConfigError(
            "A tokenizer, 'auto', 'require' or None was expected. Received: "
            f"tokenizer={choice!r}. Read a file with BPETokenizer.from_file(path)."
        )
    is_there = any((folder / name).is_file() for name in _TOKENIZER_FILES)
    if choice == "auto" and not is_there:
        return None
    try:
        return _read_tokenizer(folder, vocabulary_size)
    except (DataError, StorageError) as error:
        if choice == "require":
            raise
        warnings.warn(
            f"The model is one of token ids, without its tokenizer: {error} Say "
            "tokenizer=None to leave out this warning, or tokenizer='require' to make "
            "an error of it.",
            stacklevel=3,
        )
        return None


def _read_tokenizer(folder: Path, vocabulary_size: int) -> BPETokenizer:
    if (folder / "tokenizer.json").is_file():
        tokenizer = BPETokenizer.from_file(folder / "tokenizer.json")
    elif (folder / "vocab.json").is_file():
        tokenizer = BPETokenizer.from_file(folder / "vocab.json", folder / "merges.txt")
    else:
        raise DataError(
            "tokenizer.json, or vocab.json and merges.txt, was expected. Received: "
            f"folder={os.fspath(folder)!r} without them."
        )
    if tokenizer.vocabulary_size != vocabulary_size:
        raise DataError(
            f"A tokenizer of the model's {vocabulary_size} tokens was expected. "
            f"Received: one of {tokenizer.vocabulary_size} in "
            f"folder={os.fspath(folder)!r}."
        )
    return tokenizer


def _check_overrides(arguments: dict[str, Any], overrides: dict[str, Any]) -> None:
    for name in overrides:
        if name not in (*_FREE, *_CONTEXT):
            raise ConfigError(
                f"Some of {', '.join((*_FREE, *_CONTEXT))} were expected: the rest is "
                f"what the weights were trained as. Received: {name}="
                f"{overrides[name]!r}. Leave it out, or train a GPT of your own."
            )
    limit = arguments["max_sequence_length"]
    wanted = overrides.get("max_sequence_length", limit)
    is_learned = arguments["position_embedding"] == "learned"
    if is_learned and isinstance(wanted, int) and wanted > limit:
        raise ConfigError(
            f"At most the {limit} learned positions of the folder were expected. "
            f"Received: max_sequence_length={wanted}. Leave it out: longer texts slide."
        )
