"""DiffusionDPO: a diffusion model that learns which of two pictures is preferred."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.conditions import Condition
from tfgenai.core.copies import frozen_copy
from tfgenai.core.model import GenerativeModel
from tfgenai.core.reductions import weighted_mean
from tfgenai.diffusion.diffusion import DiffusionModel
from tfgenai.diffusion.levels import Level, add_noise

_TIME_STREAM, _NOISE_STREAM, _DROP_STREAM = 1, 2, 3


@keras.saving.register_keras_serializable("tfgenai")
class DiffusionDPO(GenerativeModel):
    """Direct preference optimization of a diffusion model, from pairs of pictures.

    Wallace et al. 2023, "Diffusion Model Alignment Using Direct Preference
    Optimization", arXiv:2311.12908, equation 14. With e the weighted squared error of
    the model's own loss, averaged over the example, e_ref that of the model as it was
    when this object was made, and one noise and one time for all four errors of a pair:

        loss = -log sigmoid(-beta [(e - e_ref)(chosen) - (e - e_ref)(rejected)])

    It starts at log 2. `fit` takes `((chosen, rejected), y, sample_weight)`: batches of
    pictures, the conditions of both, and a weight for each pair. The model that is
    given is trained itself, or its adapter; generate and save with that.

    - `loss`: the mean over the pairs;
    - `accuracy`: the share of pairs whose error fell more on the chosen picture.

    Args:
        model: the trained `DiffusionModel`; where it has averaged weights, its training
            goes on from those. What is frozen in it stays so.
        beta: how strongly the model is held to the reference, above 0: beta T omega of
            the paper for errors averaged over the example. Its published code has 5000
            with a factor of 1/2, which is 2500 here; it suits small learning rates.
        seed: seed of all noise in training.
        name: name of the object.
        dtype: dtype policy of the object; the model keeps its own.

    Raises:
        TypeError: if the model is no `DiffusionModel`.
        ValueError: if `beta` is not above 0.

    Example:
        >>> model = DiffusionModel(data_shape=(2,))
        >>> pairs = (tf.ones((4, 2)), tf.zeros((4, 2)))
        >>> dpo = DiffusionDPO(model)
        >>> dpo.compile(keras.optimizers.AdamW(1e-4))
        >>> history = dpo.fit(pairs, verbose=0)
        >>> round(history.history["loss"][0], 4)
        0.6931
    """

    loss_names = ("loss", "accuracy")

    def __init__(
        self,
        model: DiffusionModel,
        *,
        beta: float = 2500.0,
        seed: int = 0,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        if not isinstance(model, DiffusionModel):
            raise TypeError(
                "A DiffusionModel was expected. Received: model of type "
                f"{type(model).__name__}."
            )
        if not beta > 0.0:
            raise ValueError(f"A beta above 0 was expected. Received: {beta=}.")
        super().__init__(seed=seed, name=name, dtype=dtype)
        self.model = model
        self.beta = beta
        self.reference = frozen_copy(model)
        self.image_shape = model.image_shape
        self.num_classes = model.num_classes
        model.ema.settle(model.weights)
        self.finish_init()
        self.ema = model.ema

    def compute_losses(
        self,
        x: tuple[tf.Tensor, tf.Tensor],
        y: Any,
        sample_weight: tf.Tensor | None,
        *,
        seed: tf.Tensor,
        training: bool,
    ) -> dict[str, tf.Tensor]:
        """The loss of a batch of pairs; see the class.

        Args:
            x: (chosen, rejected), float32 `(batch, ...)` each.
            y: conditions of the pairs; see `DiffusionModel`.
            sample_weight: float32 `(batch,)` or None, one for each pair.
            seed: int32 `(2,)`.
            training: whether the model's layers behave as in training.

        Returns:
            float32 scalars by the names in `loss_names`.

        Raises:
            ValueError: if x is no pair, or does not fit the model.
        """
        model = self.model
        if not isinstance(x, (tuple, list)) or len(x) != 2:
            raise ValueError(
                "Pairs (chosen, rejected) of pictures were expected. Received: x of "
                f"type {type(x).__name__}. Give fit ((chosen, rejected), y)."
            )
        (chosen, rows), (rejected, _) = (model.diffused_batch(each, y) for each in x)
        size = tf.shape(chosen)[:1]
        u = random.uniform(random.fold(seed, _TIME_STREAM), size)
        level = model.schedule.level(model.weighting.times(u, model.schedule))
        noise = random.normal(random.fold(seed, _NOISE_STREAM), tf.shape(chosen))
        kept = tf.ones(size, tf.bool)
        if model.condition_dropout and training:
            drawn = random.uniform(random.fold(seed, _DROP_STREAM), size)
            kept = drawn >= model.condition_dropout
        given = _twice((rows, level, noise, kept))
        both = tf.concat([chosen, rejected], axis=0)
        error = denoising_errors(model, both, *given, training=training)
        reference = denoising_errors(self.reference, both, *given, training=False)
        gain = tf.split(error - tf.stop_gradient(reference), 2)
        margin = gain[1] - gain[0]
        loss = tf.nn.softplus(-self.beta * margin)
        return {
            "loss": weighted_mean(loss, sample_weight),
            "accuracy": tf.reduce_mean(tf.cast(margin > 0.0, tf.float32)),
        }

    def finish_step(self, losses: Mapping[str, tf.Tensor], x: Any) -> dict[str, Any]:
        """Counts the model's step, too, then as the base class."""
        self.model.step.assign_add(1)
        return super().finish_step(losses, x)

    # ---- sampling ------------------------------------------------------------

    @property
    def output_name(self) -> str:
        """Name of the samples in a signature's answer."""
        return self.model.output_name

    def conditions(self) -> tuple[Condition, ...]:
        """The model's."""
        return self.model.conditions()

    def sample(self, seeds: tf.Tensor, **rows: tf.Tensor) -> tf.Tensor:
        """The model's samples."""
        return self.model.sample(seeds, **rows)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        del config["ema_decay"]  # the model averages its own
        return {
            **config,
            "model": keras.saving.serialize_keras_object(self.model),
            "beta": self.beta,
        }


def denoising_errors(
    model: DiffusionModel,
    x: tf.Tensor,
    rows: Mapping[str, tf.Tensor],
    level: Level,
    noise: tf.Tensor,
    kept: tf.Tensor,
    *,
    training: bool,
) -> tf.Tensor:
    """What `DiffusionModel` minimises, for each row at a given noise and level.

    Args:
        model: the model.
        x: float32 `(batch, ...)`, data as they are diffused.
        rows: conditions by name.
        level: the noise level of each row.
        noise: float32, shaped as `x`.
        kept: bool `(batch,)`, rows whose conditions are used.
        training: whether layers behave as in training.

    Returns:
        float32 `(batch,)`, the weighted squared error averaged over the example.
    """
    noisy = add_noise(x, noise, level)
    output = model.predict_output(
        noisy, level, rows, kept, tf.zeros_like(noisy), training=training
    )
    error = output - model.prediction.target(x, noise, noisy, level)
    squared = tf.reduce_mean(error * error, axis=list(range(1, x.shape.rank)))
    return model.weighting.weight(level, model.prediction) * squared


def _twice(structure: Any) -> Any:
    return tf.nest.map_structure(lambda each: tf.concat([each, each], 0), structure)
