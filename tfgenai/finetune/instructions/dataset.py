"""InstructionDataset: conversations as batches in which only answers are targets."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.errors import DataError
from tfgenai.data.card import DatasetCard
from tfgenai.data.epoch_order import index_batches
from tfgenai.data.epochs import STREAM, Batches, EpochDataset, finished
from tfgenai.data.split import Slice
from tfgenai.data.text_parts import TextPart
from tfgenai.data.tokenizers import Tokenizer
from tfgenai.finetune.instructions.chat_template import ChatTemplate, get_template
from tfgenai.finetune.instructions.conversations import Conversation
from tfgenai.finetune.instructions.tokens import (
    Encoded,
    cut_beginning,
    encode_messages,
    pack_rows,
)

_ORDER = 48  # those of images, text and sound are smaller
_PADDING = -1
_PREFETCH = 16  # batches


class InstructionDataset(EpochDataset):
    r"""A `tf.data.Dataset` of `(tokens, is_target)`, as `GPT` is trained on.

    tokens is int32 `(batch, sequence_length + 1)`, padded with -1; is_target is bool of
    that shape, True for what an assistant wrote: its words, the mark of their end, and
    the end token behind the last answer. An end token begins each conversation, too, so
    that of several in a row none sees another. Padding fills the last batch up.

    Each time it is iterated the next epoch comes, from epoch 0 on. `for_epochs` gives
    epochs by number, which `fit` asks for, so that a run that is resumed goes on as if
    it had not been stopped.

    Args:
        conversations: what to learn, from `read_conversations`.
        tokenizer: the model's.
        sequence_length: tokens that are predicted in a row.
        template: `ChatTemplate`, `"plain"` or `"chatml"`.
        batch_size: rows in a batch.
        pack: whether short conversations share a row.
        truncate: whether conversations that are too long lose their beginning, instead
            of being refused. An answer whose whole question is lost is no target.
        shuffle: whether each epoch has its own order; False for validation.
        seed: seed of the order.

    Attributes:
        card: `DatasetCard` of the conversations.
        tokenizer: what made the tokens.
        sequence_length: tokens that are predicted in a row.
        num_examples: rows in an epoch.
        num_targets: tokens that are predicted in an epoch.
        steps_per_epoch: batches in an epoch.

    Raises:
        DataError: if a conversation is too long, holds a mark of the template or a
            character that the tokenizer has not; its place is named.
        ValueError: if a number is out of range or the template unknown.

    Example:
        >>> from tfgenai.data import ByteTokenizer
        >>> asked = {"role": "user", "content": "2+2="}
        >>> answer = {"role": "assistant", "content": "4"}
        >>> data = InstructionDataset(
        ...     [Conversation([asked, answer])], ByteTokenizer(), sequence_length=48)
        >>> tokens, is_target = next(iter(data))
        >>> data.tokenizer.decode(tokens[is_target])
        '4\n'
    """

    def __init__(
        self,
        conversations: Sequence[Conversation],
        tokenizer: Tokenizer,
        *,
        sequence_length: int,
        template: str | ChatTemplate = "plain",
        batch_size: int = 16,
        pack: bool = False,
        truncate: bool = False,
        shuffle: bool = True,
        seed: int = 0,
    ) -> None:
        for name, value, least in (
            ("conversations", len(conversations), 1),
            ("sequence_length", sequence_length, 2),
            ("batch_size", batch_size, 1),
        ):
            if value < least:
                raise ValueError(
                    f"{least} or more was expected. Received: {name} of {value}."
                )
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        template, size = get_template(template), sequence_length + 1
        encoded = [
            _encode(each, tokenizer, template, size, truncate) for each in conversations
        ]
        rows = pack_rows(encoded, size) if pack else encoded
        tokens = np.full((len(rows), size), _PADDING, np.int32)
        is_target = np.zeros((len(rows), size), bool)
        for number, row in enumerate(rows):
            tokens[number, : len(row.tokens)] = row.tokens
            is_target[number, : len(row.tokens)] = row.is_target
        self.num_examples = len(rows)
        self.num_targets = int(is_target.sum())
        texts = tuple(template.render(each.messages) for each in conversations)
        super().__init__(
            _Rows(tokens, is_target, batch_size, seed if shuffle else None),
            _card(texts, sum(len(row.tokens) - 2 for row in encoded), tokenizer),
            steps_per_epoch=-(-len(rows) // batch_size),
            is_constant=not shuffle,
        )


class _Rows(Batches):
    """Holds the rows and makes datasets of epoch numbers."""

    def __init__(
        self,
        tokens: np.ndarray,
        is_target: np.ndarray,
        batch_size: int,
        seed: int | None,
    ) -> None:
        self._batch_size = batch_size
        self._numbers = np.arange(len(tokens))
        with tf.device("CPU:0"):
            self._tokens, self._is_target = tf.constant(tokens), tf.constant(is_target)
            self._order = (
                None
                if seed is None
                else random.fold(random.step_seed(seed, STREAM), _ORDER)
            )

    def batches(self, epochs: tf.data.Dataset, num_batches: int) -> tf.data.Dataset:
        """See `Batches.batches`."""
        dataset = epochs.flat_map(
            lambda epoch: index_batches(
                epoch,
                self._numbers,
                self._batch_size,
                seed=self._order,
                drop_remainder=False,
            )
        )
        dataset = dataset.map(self._batch, num_parallel_calls=2, deterministic=True)
        return finished(dataset, num_batches, prefetch=_PREFETCH)

    def _batch(self, epoch: tf.Tensor, batch: tf.Tensor, indices: tf.Tensor) -> Any:
        missing = [[0, self._batch_size - tf.shape(indices)[0]], [0, 0]]
        columns = (
            (self._tokens, tf.constant(_PADDING)),
            (self._is_target, tf.constant(False)),
        )
        return tuple(
            tf.ensure_shape(
                tf.pad(tf.gather(column, indices), missing, constant_values=nothing),
                (self._batch_size, column.shape[1]),
            )
            for column, nothing in columns
        )


def _encode(
    conversation: Conversation,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    size: int,
    truncate: bool,
) -> Encoded:
    try:
        row = encode_messages(conversation.messages, tokenizer, template)
    except ValueError as error:
        raise DataError(f"{error} This is {conversation.place}.") from error
    cut = cut_beginning(row, size) if truncate else row
    if len(cut.tokens) > size or not cut.is_target.any():
        what = "from its last question on " if truncate else ""
        raise DataError(
            f"A conversation of at most {size} tokens {what}was expected. Received: "
            f"{len(row.tokens)} in {conversation.place}. Leave it out, choose a larger "
            "sequence_length, or give truncate=True to cut beginnings off."
        )
    return cut


def _card(texts: tuple[str, ...], num_tokens: int, tokenizer: Tokenizer) -> DatasetCard:
    part = TextPart("train", Slice.parse("train"), texts, frozenset(), False)
    return DatasetCard(
        name="conversations",
        source="conversations that were given in Python",
        licence="unknown: that of the conversations",
        homepage="",
        reproduce="tfgenai.finetune.instructions.InstructionDataset(conversations, "
        "tokenizer, ...)",
        image_shape=None,
        splits={"train": part.card(num_tokens)},
        dtype="utf-8",
        scaled_range=(0.0, float(tokenizer.vocabulary_size - 1)),
        tokenizer=f"{type(tokenizer).__name__}, {tokenizer.vocabulary_size:,} tokens",
    )
