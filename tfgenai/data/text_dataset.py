"""TextDataset: windows of tokens, in an order that is a function of seed and epoch."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.data.card import DatasetCard
from tfgenai.data.epochs import STREAM, Batches, EpochDataset, finished
from tfgenai.data.text_parts import TextPart
from tfgenai.data.tokenizers import Tokenizer

_ORDER, _OFFSET, _STARTS = range(16, 19)  # those of images are smaller
_PADDING = -1
_PREFETCH = 16  # batches


@dataclasses.dataclass(frozen=True)
class TextPlan:
    """How batches are made of a stream of tokens.

    Args:
        stream: uint16 or int32 `(tokens,)`, documents one after another.
        sequence_length: tokens that are predicted in a row.
        batch_size: rows in a batch.
        shuffle: whether each epoch has its own windows in its own order; else every
            token but the first is predicted once, in order.
        drop_remainder: whether an incomplete last batch is left out, not filled up.
        random_steps: batches in an epoch of windows that begin anywhere; None for
            windows that do not overlap.
        seed: seed of all draws.
    """

    stream: np.ndarray
    sequence_length: int
    batch_size: int
    shuffle: bool
    drop_remainder: bool
    random_steps: int | None
    seed: int

    @property
    def is_constant(self) -> bool:
        """Whether all epochs are alike."""
        return not self.shuffle and self.random_steps is None

    @property
    def num_targets(self) -> int:
        """Tokens that can be predicted: all but the first of the stream."""
        return len(self.stream) - 1

    @property
    def num_rows(self) -> int:
        """Windows in an epoch."""
        if self.random_steps is not None:
            return self.random_steps * self.batch_size
        if self.shuffle:
            # One less than fit, so that there is room for an offset.
            return max(1, len(self.stream) // self.sequence_length - 1)
        return -(-self.num_targets // self.sequence_length)

    @property
    def num_offsets(self) -> int:
        """Places where the first of non-overlapping windows may begin."""
        return len(self.stream) - self.num_rows * self.sequence_length

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches in an epoch."""
        full, rest = divmod(self.num_rows, self.batch_size)
        return full + bool(rest and not self.drop_remainder)


class TextDataset(EpochDataset):
    """A `tf.data.Dataset` of tokens, with its tokenizer and card; made by `load`.

    x is int32 `(batch, sequence_length + 1)`: a model reads `x[:, :-1]` and predicts
    `x[:, 1:]`. -1 is padding: the last row of a set that is read in order may end with
    it, and where an incomplete last batch is kept, rows of it fill the batch up, so
    that all batches have one shape and a compiled model needs one program. Documents
    stand one after another, each between end tokens.

    Each time it is iterated the next epoch comes, from epoch 0 on. `for_epochs` gives
    epochs by number.

    Attributes:
        card: `DatasetCard` of what was loaded.
        tokenizer: what made the tokens.
        sequence_length: tokens that are predicted in a row.
        num_examples: rows in an epoch.
        num_tokens: tokens that can be predicted: those of the text, and where there
            are several documents the end of each.
        num_bytes: bytes of the text in UTF-8, for bits per byte.
        steps_per_epoch: batches in an epoch.
        part: the text and its place in the split.
    """

    def __init__(
        self, plan: TextPlan, card: DatasetCard, tokenizer: Tokenizer, part: TextPart
    ) -> None:
        self.tokenizer = tokenizer
        self.part = part
        self.sequence_length = plan.sequence_length
        self.num_examples = plan.num_rows
        self.num_tokens = plan.num_targets
        self.num_bytes = part.num_bytes
        super().__init__(
            _Windows(plan),
            card,
            steps_per_epoch=plan.steps_per_epoch,
            is_constant=plan.is_constant,
        )


def stream_of(
    documents: Sequence[np.ndarray], end_token: int, *, ends: bool
) -> np.ndarray:
    """Documents one after another, an end token before each.

    Args:
        documents: int32 `(tokens,)` each.
        end_token: the token between them.
        ends: whether it stands behind the last one too.

    Returns:
        uint16 `(tokens,)`, or int32 where ids are larger.
    """
    end = np.array([end_token], np.int32)
    pieces = [piece for document in documents for piece in (end, document)]
    stream = np.concatenate([*pieces, end] if ends else pieces)
    # Half of the memory for all vocabularies up to GPT-2's.
    return stream.astype(np.uint16) if stream.max() < 2**16 else stream


class _Windows(Batches):
    """Holds the stream and makes datasets of epoch numbers."""

    def __init__(self, plan: TextPlan) -> None:
        self._plan = plan
        with tf.device("CPU:0"):
            self._stream = tf.constant(plan.stream)
            base = random.step_seed(plan.seed, STREAM)
            self._order, self._offset, self._starts = (
                random.fold(base, purpose) for purpose in (_ORDER, _OFFSET, _STARTS)
            )

    def batches(self, epochs: tf.data.Dataset, num_batches: int) -> tf.data.Dataset:
        """See `Batches.batches`."""
        anywhere = self._plan.random_steps is not None
        starts = epochs.flat_map(self._anywhere if anywhere else self._one_by_one)
        dataset = starts.map(self._rows, num_parallel_calls=2, deterministic=True)
        return finished(dataset, num_batches, prefetch=_PREFETCH)

    def _anywhere(self, epoch: tf.Tensor) -> tf.data.Dataset:
        """Where the rows of each batch begin: uniformly random places."""
        plan = self._plan
        seed = random.fold(self._starts, epoch)
        places = len(plan.stream) - plan.sequence_length

        def draw(batch: tf.Tensor) -> tf.Tensor:
            drawn = random.integers(
                random.fold(seed, batch), (plan.batch_size,), places
            )
            return tf.cast(drawn, tf.int64)

        return tf.data.Dataset.range(plan.steps_per_epoch).map(draw)

    def _one_by_one(self, epoch: tf.Tensor) -> tf.data.Dataset:
        """Where the rows of each batch begin: places `sequence_length` apart."""
        plan, n = self._plan, self._plan.num_rows
        order = tf.range(n, dtype=tf.int64)
        offset = tf.constant(0, tf.int64)
        if plan.shuffle:
            order = random.permutation(random.fold(self._order, epoch), n)
            drawn = random.integers(
                random.fold(self._offset, epoch), (), plan.num_offsets
            )
            offset = tf.cast(drawn, tf.int64)
        starts = offset + order * plan.sequence_length
        batch_size = min(plan.batch_size, n)
        total = plan.steps_per_epoch * batch_size
        # Rows that begin behind the end of the stream are padding.
        behind = tf.fill((max(0, total - n),), tf.constant(len(plan.stream), tf.int64))
        table = tf.reshape(tf.concat([starts, behind], 0)[:total], (-1, batch_size))
        return tf.data.Dataset.from_tensor_slices(table)

    def _rows(self, starts: tf.Tensor) -> tf.Tensor:
        last = len(self._plan.stream) - 1
        columns = tf.range(self._plan.sequence_length + 1, dtype=tf.int64)
        places = starts[:, tf.newaxis] + columns
        tokens = tf.gather(self._stream, tf.minimum(places, last))
        return tf.where(places <= last, tf.cast(tokens, tf.int32), _PADDING)
