"""EpochDataset: a `tf.data.Dataset` whose epochs have numbers."""

import abc
import itertools
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tfgenai.data.card import DatasetCard

STREAM = 0x64617461  # keeps draws of data apart from those of a model's steps


class EpochDataset(tf.data.Dataset):
    """Batches that are a function of a seed and of the number of the epoch.

    Each time it is iterated the next epoch comes, from epoch 0 on. `for_epochs` gives
    epochs by number.

    Args:
        batches: makes the batches of epochs.
        card: `DatasetCard` of what was loaded.
        steps_per_epoch: batches in an epoch.
        is_constant: whether all epochs are alike.
    """

    def __init__(
        self,
        batches: "Batches",
        card: DatasetCard,
        *,
        steps_per_epoch: int,
        is_constant: bool,
    ) -> None:
        self.card = card
        self.steps_per_epoch = steps_per_epoch
        self._pipeline = batches
        if is_constant:
            epochs = tf.data.Dataset.range(1)
        else:
            counter = itertools.count()

            # Python is asked once an epoch. A variable would do too, but one that is
            # made under a distribution strategy cannot be used in a dataset.
            def next_epoch() -> Iterator[int]:
                yield next(counter)

            epochs = tf.data.Dataset.from_generator(
                next_epoch, output_signature=tf.TensorSpec((), tf.int64)
            )
        self._dataset = batches.batches(epochs, steps_per_epoch)
        super().__init__(self._dataset._variant_tensor)

    def for_epochs(self, initial_epoch: int, epochs: int) -> tf.data.Dataset:
        """The epochs from `initial_epoch` to `epochs` - 1, one after the other.

        Args:
            initial_epoch: number of the first epoch, from 0.
            epochs: number of the epoch to stop before.

        Returns:
            A `tf.data.Dataset` of `steps_per_epoch * (epochs - initial_epoch)`
            batches. An epoch's batches depend on the seed and on its number alone.

        Raises:
            ValueError: if a number is negative.
        """
        if initial_epoch < 0 or epochs < 0:
            raise ValueError(
                "Numbers from 0 on were expected. Received: initial_epoch="
                f"{initial_epoch}, epochs={epochs}."
            )
        count = max(epochs - initial_epoch, 0)
        return self._pipeline.batches(
            tf.data.Dataset.range(initial_epoch, max(epochs, initial_epoch)),
            self.steps_per_epoch * count,
        )

    @property
    def element_spec(self) -> Any:
        """Types and shapes of a batch."""
        return self._dataset.element_spec

    def _inputs(self) -> list[tf.data.Dataset]:
        return [self._dataset]


class Batches(abc.ABC):
    """Makes datasets of batches from datasets of epoch numbers."""

    @abc.abstractmethod
    def batches(self, epochs: tf.data.Dataset, num_batches: int) -> tf.data.Dataset:
        """The batches of the epochs whose numbers `epochs` yields.

        Args:
            epochs: int64 `()` numbers.
            num_batches: batches of all of them together.
        """


def finished(
    dataset: tf.data.Dataset, num_batches: int, *, prefetch: int
) -> tf.data.Dataset:
    """Sets the length, the reading ahead and the options of a dataset of batches."""
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(num_batches))
    options = tf.data.Options()
    # The autotuner holds up the end of an iteration, see keras.Model.fit.
    options.autotune.enabled = False
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return dataset.prefetch(prefetch).with_options(options)
