"""What GPT refuses: vocabularies, batches and prompts that do not fit."""

from typing import Any

import numpy as np

from tfgenai.data.tokenizers import Tokenizer


def check_vocabulary(
    vocabulary_size: int | None, tokenizer: Any, end_token: int | None
) -> tuple[int, int | None]:
    """The vocabulary's size and the token that begins documents.

    Raises:
        ValueError: if they do not fit each other.
        TypeError: if the tokenizer is none.
    """
    if tokenizer is not None and not isinstance(tokenizer, Tokenizer):
        raise TypeError(
            "A tfgenai.data.Tokenizer or None was expected. Received: "
            f"tokenizer={tokenizer!r}. Make one with tfgenai.data.ByteTokenizer()."
        )
    if vocabulary_size is None and tokenizer is None:
        raise ValueError(
            "The size of the vocabulary or a tokenizer was expected. Received: "
            "vocabulary_size=None, tokenizer=None. Give one of them."
        )
    if tokenizer is not None:
        if vocabulary_size not in (None, tokenizer.vocabulary_size):
            raise ValueError(
                f"The tokenizer's {tokenizer.vocabulary_size} tokens were expected. "
                f"Received: vocabulary_size={vocabulary_size}. Leave it out."
            )
        if end_token not in (None, tokenizer.end_token):
            raise ValueError(
                f"The tokenizer's end token {tokenizer.end_token} was expected. "
                f"Received: end_token={end_token}. Leave it out."
            )
        return tokenizer.vocabulary_size, tokenizer.end_token
    if end_token is not None and not 0 <= end_token < (vocabulary_size or 0):
        raise ValueError(
            f"A token in [0, {vocabulary_size}) was expected. Received: "
            f"end_token={end_token}. Leave it out for none."
        )
    return vocabulary_size or 0, end_token


def check_batch(x: Any, y: Any, max_sequence_length: int) -> None:
    """Refuses batches that are no sequences of tokens, or too long.

    Raises:
        ValueError: if shape or type do not fit.
        TypeError: if y is no mask.
    """
    if not x.dtype.is_integer or x.shape.rank != 2:
        raise ValueError(
            "Integer tokens of shape (batch, sequence_length + 1) were expected. "
            f"Received: x of shape {tuple(x.shape)} and type {x.dtype.name}. Load text "
            "with tfgenai.data.load(..., tokenizer=..., sequence_length=...)."
        )
    length = x.shape[1]
    if length is not None and not 2 <= length <= max_sequence_length + 1:
        raise ValueError(
            f"Sequences of 2 to {max_sequence_length + 1} tokens were expected: the "
            f"model sees {max_sequence_length}, and the last one is only a target. "
            f"Received: x of shape {tuple(x.shape)}. Load the data with a smaller "
            "sequence_length, or make the model with a larger max_sequence_length."
        )
    if y is not None and y.dtype != "bool":
        raise TypeError(
            "A mask of bools, True where a token of x is a target, was expected. "
            f"Received: y of type {y.dtype.name}. The targets are x[:, 1:] already: "
            "leave y out, or give a comparison such as y != 0."
        )
    if y is not None and not (
        y.shape.rank == 2 and y.shape.is_compatible_with(x.shape)
    ):
        raise ValueError(
            "A mask of targets of the shape of x was expected. Received: y of shape "
            f"{tuple(y.shape)}, x of shape {tuple(x.shape)}. Leave y out to train on "
            "all tokens."
        )


def check_length(tokens: Any, longest: int) -> None:
    """Refuses sequences that the model has no positions for.

    Raises:
        ValueError: if they are longer.
    """
    length = tokens.shape[1]
    if length is not None and length > longest:
        raise ValueError(
            f"Sequences of at most {longest} tokens were expected. Received: tokens of "
            f"shape {tuple(tokens.shape)}. Make the model with a larger "
            "max_sequence_length."
        )


def check_tokenizer(own: Any, data: Any, name: str = "x") -> None:
    """Refuses data whose tokens were made by another tokenizer.

    Args:
        own: the model's tokenizer, or None.
        data: what is trained on; datasets of `tfgenai.data` have a `tokenizer`.
        name: what the caller calls the data.

    Raises:
        ValueError: if they were.
    """
    theirs = getattr(data, "tokenizer", None)
    if own is not None and theirs is not None and theirs != own:
        raise ValueError(
            "Data of the model's own tokenizer were expected. Received: "
            f"{name} of another {type(theirs).__name__}. Load them with "
            "tfgenai.data.load(..., tokenizer=model.tokenizer)."
        )


def check_ids(data: Any, vocabulary_size: int, name: str = "x") -> None:
    """Refuses an array of tokens beyond the vocabulary: XLA would not notice.

    Raises:
        ValueError: if there are some.
    """
    if not isinstance(data, np.ndarray) or data.dtype.kind not in "iu":
        return
    if data.size and data.max() >= vocabulary_size:
        raise ValueError(
            f"Tokens below vocabulary_size={vocabulary_size} were expected. Received: "
            f"{name} with {data.max()}. Make the model with the vocabulary of the data."
        )
