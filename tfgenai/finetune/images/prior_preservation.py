"""Prior preservation: new pictures beside samples of what the model knew before."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.generation import require_positive
from tfgenai.data.epochs import finished

_STREAM = 0x7072696F


def with_prior(
    dataset: tf.data.Dataset,
    model: Any,
    num_samples: int,
    weight: float = 1.0,
    *,
    seed: int = 0,
    **options: Any,
) -> "PriorDataset":
    """New pictures, and beside each one a sample that the model drew before.

    Ruiz et al. 2022, "DreamBooth: Fine Tuning Text-to-Image Diffusion Models for
    Subject-Driven Generation", arXiv:2208.12242, equation 2: the mean loss of the new
    pictures plus `weight` times that of samples of the model as it was. A batch is
    followed by as many samples, and the weights of all rows are such that the mean over
    both is that sum; a learning rate that suits the new pictures alone suits both.

    Args:
        dataset: batches `(x, y)` or `(x, y, sample_weight)`; batches of x alone where
            the model has no classes.
        model: a `DiffusionModel` or a `GAN` as it was before the fine-tuning. Samples
            are drawn once, now, in equal numbers of all its classes.
        num_samples: number of samples.
        weight: weight of the samples, lambda of the paper.
        seed: seed of the samples and of their order.
        **options: further arguments of `model.generate`, such as `num_steps`.

    Returns:
        Batches `(x, y, sample_weight)` for `fit`, as many as the dataset has; which
        samples stand in one is a function of the seed and of its number.

    Raises:
        TypeError: if `dataset` is no `tf.data.Dataset`.
        ValueError: if a number is out of range, or the dataset has no end.

    Example:
        >>> from tfgenai.diffusion import DiffusionModel
        >>> model = DiffusionModel(data_shape=(2,), num_classes=3)
        >>> new = tf.data.Dataset.from_tensors((tf.zeros((4, 2)), tf.fill((4,), 3)))
        >>> mixed = with_prior(new, model, num_samples=6, weight=0.5, num_steps=2)
        >>> x, y, weights = next(iter(mixed))
        >>> x.shape.as_list(), weights.numpy().tolist()
        ([8, 2], [2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0])
    """
    require_positive("num_samples", num_samples)
    if not weight >= 0.0:
        raise ValueError(f"A weight of 0 or more was expected. Received: {weight=}.")
    _check_dataset(dataset)
    labels = np.arange(num_samples, dtype=np.int32) % (model.num_classes or 1)
    if model.num_classes is not None:
        options["labels"] = labels
    samples = model.generate(num_samples, seed=seed, **options)
    return PriorDataset(dataset, samples, labels, weight, seed)


class PriorDataset(tf.data.Dataset):
    """Batches of a dataset and of samples; made by `with_prior`.

    Attributes:
        steps_per_epoch: batches in an epoch.
    """

    def __init__(
        self,
        dataset: tf.data.Dataset,
        samples: np.ndarray,
        labels: np.ndarray,
        weight: float,
        seed: int,
    ) -> None:
        self.steps_per_epoch = int(dataset.cardinality())
        self._new = dataset
        self._samples = tf.constant(samples)
        self._labels = tf.constant(labels)
        self._weight = weight
        self._seed = random.step_seed(seed, _STREAM)
        self._dataset = self._mixed(dataset, 0, self.steps_per_epoch)
        super().__init__(self._dataset._variant_tensor)

    def for_epochs(self, initial_epoch: int, epochs: int) -> tf.data.Dataset:
        """The epochs from `initial_epoch` to `epochs` - 1; see `ImageDataset`."""
        count = max(epochs - initial_epoch, 0)
        if hasattr(self._new, "for_epochs"):
            batches = self._new.for_epochs(initial_epoch, epochs)
        else:
            batches = self._new.repeat(count)
        steps = self.steps_per_epoch
        return self._mixed(batches, initial_epoch * steps, count * steps)

    @property
    def element_spec(self) -> Any:
        """Types and shapes of a batch."""
        return self._dataset.element_spec

    def _inputs(self) -> list[tf.data.Dataset]:
        return [self._dataset]

    def _mixed(
        self, batches: tf.data.Dataset, first: int, num_batches: int
    ) -> tf.data.Dataset:
        mixed = batches.enumerate(first).map(self._mix)
        return finished(mixed, num_batches, prefetch=2)

    def _mix(self, number: tf.Tensor, batch: Any) -> tuple[tf.Tensor, ...]:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        size = tf.shape(x)[0]
        rows = random.integers(
            random.fold(self._seed, number), (size,), len(self._labels)
        )
        labels = tf.gather(self._labels, rows)
        y = tf.zeros_like(labels) if y is None else tf.cast(y, labels.dtype)
        ones = tf.ones((size,))
        if sample_weight is None:
            sample_weight = ones
        # Twice, because the mean is over twice as many rows.
        weights = [2.0 * tf.cast(sample_weight, tf.float32), 2.0 * self._weight * ones]
        return (
            tf.concat([x, tf.gather(self._samples, rows)], axis=0),
            tf.concat([y, labels], axis=0),
            tf.concat(weights, axis=0),
        )


def _check_dataset(dataset: Any) -> None:
    if not isinstance(dataset, tf.data.Dataset):
        raise TypeError(
            "A tf.data.Dataset of batches was expected. Received: dataset of type "
            f"{type(dataset).__name__}. Use tfgenai.data.load, or "
            "tf.data.Dataset.from_tensor_slices((x, y)).batch(16)."
        )
    if int(dataset.cardinality()) < 1:
        raise ValueError(
            "A dataset of a known number of batches was expected. Received: "
            f"cardinality {int(dataset.cardinality())}. Leave repeat() out; fit takes "
            "the number of epochs."
        )
