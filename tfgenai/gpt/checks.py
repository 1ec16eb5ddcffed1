"""What GPT refuses: vocabularies, batches and prompts that do not fit."""

from typing import Any

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
    if y is not None and not (
        y.shape.rank == 2 and y.shape.is_compatible_with(x.shape)
    ):
        raise ValueError(
            "A mask of targets of the shape of x was expected. Received: y of shape "
            f"{tuple(y.shape)}, x of shape {tuple(x.shape)}. Leave y out to train on "
            "all tokens."
        )
