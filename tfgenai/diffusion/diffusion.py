"""DiffusionModel: the objective, its samples and its config; flow matching included."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.conditions import Condition
from tfgenai.core.model import GenerativeModel
from tfgenai.core.reductions import weighted_mean
from tfgenai.diffusion import checks
from tfgenai.diffusion.bound import variational_bound
from tfgenai.diffusion.conditioning import (
    ConditionEmbedding,
    data_conditions,
    rows_of_batch,
)
from tfgenai.diffusion.editing import Editing
from tfgenai.diffusion.guidance import (
    ClassifierFreeGuidance,
    Guidance,
    NoGuidance,
)
from tfgenai.diffusion.levels import Level, add_noise
from tfgenai.diffusion.likelihood import Likelihood
from tfgenai.diffusion.networks import make_network
from tfgenai.diffusion.parts import Parts, resolve_parts
from tfgenai.diffusion.predictions import Prediction
from tfgenai.diffusion.samplers import Sampler
from tfgenai.diffusion.schedules import NoiseSchedule
from tfgenai.diffusion.serving import Serving
from tfgenai.diffusion.weightings import LossWeighting

_TIME_STREAM, _NOISE_STREAM, _DROP_STREAM, _COIN_STREAM = 1, 2, 3, 4
_LOG_2 = 0.6931471805599453


@keras.saving.register_keras_serializable("tfgenai")
class DiffusionModel(Editing, Serving, Likelihood, GenerativeModel):
    """Diffusion or flow matching: learns to take noise out of data at every level.

    Ho et al. 2020, "Denoising Diffusion Probabilistic Models", arXiv:2006.11239; Kingma
    et al. 2021, "Variational Diffusion Models", arXiv:2107.00630. The parts are those
    of Karras et al. 2022, arXiv:2206.00364: network, prediction type
    (preconditioning), loss weighting and sampler, each by name or as an object.

    - `loss`, what is minimised: the weighted squared error of the network's output,
      averaged over the example and over the batch;
    - `elbo`, in `evaluate` only: the variational bound on log p(x), nats per example,
      of the discrete chain or its continuous limit; estimated without bias;
    - `bits_per_dim`, in `evaluate` only: -elbo in bits per dimension. With
      `num_pixel_levels` that of whole grey levels, otherwise that of a density.

    Args:
        image_shape: (height, width, channels); None where `data_shape` is given.
        data_shape: (length, channels) of sequences such as sound, or (dim,) of vectors.
        network: `"unet"`, `"dit"`, `"mlp"`, or a Keras model with
            `call(x, time, condition, context)`; None: the U-Net, for vectors the MLP.
        network_options: arguments of the network that is named, such as
            `{"channels": (32, 64, 64)}`.
        num_classes: number of labels, or None for a model without labels.
        vector_dim: length of a vector to condition on, or None.
        context_shape: (tokens, dim) of a text embedding to condition on, or None.
        condition_dim: length of the embedded condition.
        condition_dropout: share of training rows whose conditions are dropped, which
            guidance needs; 0.1 is usual.
        noise_schedule: `"cosine"`, `"linear"`, `"sigmoid"`, `"karras"`,
            `"rectified_flow"`, or a `NoiseSchedule`.
        num_timesteps: number of noise levels; None for continuous time.
        zero_terminal_snr: whether the last level is pure noise.
        prediction_type: `"velocity"`, `"epsilon"`, `"x0"`, `"edm"`, `"flow"`, or a
            `Prediction`; None: `"edm"` for Karras's schedule, `"flow"` for the
            rectified flow, otherwise `"velocity"`.
        loss_weighting: `"uniform"`, `"snr"`, `"min_snr"`, `"edm"`, `"logit_normal"`, or
            a `LossWeighting`; None: what the prediction's paper uses.
        self_conditioning: whether the network also sees its last estimate of the data:
            Chen et al. 2023, "Analog Bits", arXiv:2208.04202, section 3.2.
        sampler: sampler used where the caller names none; None: the usual one.
        guidance_scale: guidance scale where the caller names none.
        thresholding: `"static"`, `"dynamic"` or `"none"`, how estimates of the data are
            kept in [-1, 1] in sampling; None: static for pixels, none otherwise.
        num_pixel_levels: number of equal grey levels in the data, None for data of any
            value; `"auto"`: 256 for images, None otherwise.
        seed: seed of the initial weights and of all noise in training.
        ema_decay: decay of the averaged weights, an `EMADecay`, or None.
        name: name of the model.
        dtype: dtype policy.

    Raises:
        ValueError: if a number is out of range, a name unknown, or parts do not fit
            each other, such as noise prediction and a zero terminal SNR.
        TypeError: if the network is no Keras layer.

    Example:
        >>> model = DiffusionModel(data_shape=(2,), noise_schedule="rectified_flow")
        >>> model.generate(3, seed=7, num_steps=4).shape
        (3, 2)
    """

    loss_names = ("loss",)
    evaluation_names: tuple[str, ...] = ("elbo", "bits_per_dim")

    def __init__(
        self,
        image_shape: Sequence[int] | None = None,
        *,
        data_shape: Sequence[int] | None = None,
        network: str | keras.layers.Layer | None = None,
        network_options: Mapping[str, Any] | None = None,
        num_classes: int | None = None,
        vector_dim: int | None = None,
        context_shape: tuple[int, int] | None = None,
        condition_dim: int = 128,
        condition_dropout: float = 0.0,
        noise_schedule: str | NoiseSchedule = "cosine",
        num_timesteps: int | None = None,
        zero_terminal_snr: bool = False,
        prediction_type: str | Prediction | None = None,
        loss_weighting: str | LossWeighting | None = None,
        self_conditioning: bool = False,
        sampler: str | Sampler | None = None,
        guidance_scale: float = 1.0,
        thresholding: str | None = None,
        num_pixel_levels: int | str | None = "auto",
        seed: int = 0,
        ema_decay: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        shape = checks.check_shapes(image_shape, data_shape)
        grey_levels = checks.check_pixel_levels(num_pixel_levels, image_shape)
        if thresholding is None:
            thresholding = "none" if grey_levels is None else "static"
        checks.check_arguments(
            num_classes=num_classes,
            vector_dim=vector_dim,
            condition_dim=condition_dim,
            condition_dropout=condition_dropout,
            guidance_scale=guidance_scale,
            thresholding=thresholding,
        )
        context = (
            None if context_shape is None else (context_shape[0], context_shape[1])
        )
        conditions = data_conditions(num_classes, vector_dim, context)
        checks.check_guidance(
            is_conditional=bool(conditions),
            condition_dropout=condition_dropout,
            guidance_scale=guidance_scale,
        )
        given = Parts(
            noise_schedule,
            num_timesteps,
            zero_terminal_snr,
            prediction_type,
            loss_weighting,
            sampler,
        )
        schedule, prediction, weighting, default_sampler = resolve_parts(given)
        super().__init__(seed=seed, ema_decay=ema_decay, name=name, dtype=dtype)
        self.image_shape = None if image_shape is None else shape
        self.data_shape = shape
        self.num_classes = num_classes
        self.vector_dim = vector_dim
        self.context_shape = context
        self.condition_dim = condition_dim
        self.condition_dropout = condition_dropout
        self.self_conditioning = self_conditioning
        self.guidance_scale = guidance_scale
        self.thresholding = thresholding
        self.num_pixel_levels = grey_levels
        self.schedule = schedule
        self.prediction = prediction
        self.weighting = weighting
        self.sampler = default_sampler
        self.guidance: Guidance = (
            ClassifierFreeGuidance(guidance_scale)
            if condition_dropout
            else NoGuidance()
        )
        self._given = given
        self._data_conditions = conditions
        self.network_name = network if isinstance(network, str) else None
        self.network_options = dict(network_options or {})
        self._network_is_given = isinstance(network, keras.layers.Layer)
        if not self._network_is_given:
            self.network_name = network or ("unet" if len(shape) > 1 else "mlp")
        has_vector = num_classes is not None or vector_dim is not None
        self.embedding = (
            ConditionEmbedding(
                num_classes=num_classes,
                vector_dim=vector_dim,
                context_shape=context,
                condition_dim=condition_dim,
                seed=seed,
                dtype=self.dtype_policy,
            )
            if conditions
            else None
        )
        input_shape = (*shape[:-1], shape[-1] * (2 if self_conditioning else 1))
        self.network = make_network(
            network if self._network_is_given else self.network_name,
            input_shape,
            self.network_options,
            out_channels=shape[-1],
            condition_dim=condition_dim if has_vector else None,
            context_dim=None if context is None else context[1],
            context_tokens=None if context is None else context[0],
            output_shape=shape,
            seed=seed,
            dtype=self.dtype_policy,
        )
        self.finish_init()

    def averaged_weights(self) -> list[keras.Variable]:
        """The network's and the condition embedding's."""
        embedding = [] if self.embedding is None else self.embedding.weights
        return [*self.network.weights, *embedding]

    def call(
        self, x: tf.Tensor, time: tf.Tensor, training: bool = False, **rows: tf.Tensor
    ) -> tf.Tensor:
        """The estimate of the data in `x` at `time`, with the conditions given.

        Args:
            x: float32 `(batch, ...)`, noisy data.
            time: float32 `(batch,)` in [0, 1].
            training: whether layers behave as in training.
            **rows: conditions by name.

        Returns:
            float32 `(batch, ...)`.
        """
        return self.data_estimate(x, self.schedule.level(time), rows, training=training)

    def data_estimate(
        self,
        x: tf.Tensor,
        level: Level,
        rows: Mapping[str, tf.Tensor],
        *,
        training: bool = False,
    ) -> tf.Tensor:
        """The estimate of the data, with all conditions and no estimate before it.

        Args:
            x: float32 `(batch, ...)` at the level.
            level: the noise level.
            rows: conditions by name; other names are ignored.
            training: whether layers behave as in training.

        Returns:
            float32 `(batch, ...)`, neither guided nor thresholded.
        """
        kept = tf.ones_like(level.time, tf.bool)
        previous = tf.zeros_like(x)
        output = self.predict_output(x, level, rows, kept, previous, training=training)
        return self.prediction.to_x0(output, x, level)

    def predict_output(
        self,
        x: tf.Tensor,
        level: Level,
        rows: Mapping[str, tf.Tensor],
        kept: tf.Tensor,
        previous: tf.Tensor,
        *,
        training: bool = False,
    ) -> tf.Tensor:
        """The network's answer, in the units of the prediction type.

        Args:
            x: float32 `(batch, ...)` at the level.
            level: the noise level.
            rows: conditions by name; other names are ignored.
            kept: bool `(batch,)`, rows whose conditions are used.
            previous: the last data estimate, for self-conditioning.
            training: whether layers behave as in training.

        Returns:
            float32 `(batch, ...)`.
        """
        inputs, time = self.prediction.inputs(x, level)
        if self.self_conditioning:
            inputs = tf.concat([inputs, previous], axis=-1)
        condition = context = None
        if self.embedding is not None:
            condition, context = self.embedding(rows, kept)
        output = self.network(
            inputs, time, condition=condition, context=context, training=training
        )
        return tf.ensure_shape(tf.cast(output, tf.float32), x.shape)

    # ---- training ------------------------------------------------------------

    def compute_losses(
        self,
        x: tf.Tensor,
        y: Any,
        sample_weight: tf.Tensor | None,
        *,
        seed: tf.Tensor,
        training: bool,
    ) -> dict[str, tf.Tensor]:
        """The objective; see the class and the base class."""
        x, rows = self.diffused_batch(x, y)
        size = tf.shape(x)[:1]
        u = random.uniform(random.fold(seed, _TIME_STREAM), size)
        level = self.schedule.level(self.weighting.times(u, self.schedule))
        noise = random.normal(random.fold(seed, _NOISE_STREAM), tf.shape(x))
        kept = tf.ones(size, tf.bool)
        if self.condition_dropout and training:
            drawn = random.uniform(random.fold(seed, _DROP_STREAM), size)
            kept = drawn >= self.condition_dropout
        noisy = add_noise(x, noise, level)
        previous = self._previous_estimate(noisy, level, rows, kept, seed)
        output = self.predict_output(
            noisy, level, rows, kept, previous, training=training
        )
        error = output - self.prediction.target(x, noise, noisy, level)
        axes = list(range(1, x.shape.rank))
        squared = tf.reduce_mean(error * error, axis=axes)
        weighted = self.weighting.weight(level, self.prediction) * squared
        losses = {"loss": weighted_mean(weighted, sample_weight)}
        if not training:
            losses |= self._bound(x, rows, sample_weight, seed)
        return losses

    def diffused_batch(
        self, x: tf.Tensor, y: Any
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """What is diffused of a training batch, and its conditions by name.

        Args:
            x: float `(batch, ...)`, data such as images.
            y: conditions; see `conditioning.rows_of_batch`.

        Returns:
            float32 `(batch, *data_shape)` without a gradient, and tensors by name.

        Raises:
            TypeError: if data or labels are of the wrong kind.
            ValueError: if a shape does not fit or a condition is missing.
        """
        checks.check_batch(x, self.sample_shape)
        rows = rows_of_batch(y, self._data_conditions)
        x = tf.stop_gradient(self.encode_data(tf.cast(x, tf.float32), rows))
        return tf.ensure_shape(x, (None, *self.data_shape)), rows

    def _previous_estimate(
        self,
        noisy: tf.Tensor,
        level: Level,
        rows: Mapping[str, tf.Tensor],
        kept: tf.Tensor,
        seed: tf.Tensor,
    ) -> tf.Tensor:
        """For self-conditioning: in half of the steps the network's own estimate."""
        zeros = tf.zeros_like(noisy)
        if not self.self_conditioning:
            return zeros

        def estimate() -> tf.Tensor:
            output = self.predict_output(noisy, level, rows, kept, zeros)
            return tf.stop_gradient(self.prediction.to_x0(output, noisy, level))

        coin = random.uniform(random.fold(seed, _COIN_STREAM), ()) < 0.5
        return tf.cond(coin, estimate, lambda: zeros)

    def _bound(
        self,
        x: tf.Tensor,
        rows: Mapping[str, tf.Tensor],
        sample_weight: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        nats = weighted_mean(
            variational_bound(
                x,
                lambda noisy, level: self.data_estimate(noisy, level, rows),
                self.schedule,
                seed=seed,
                num_pixel_levels=self.num_pixel_levels,
            ),
            sample_weight,
        )
        size = tf.TensorShape(self.data_shape).num_elements()
        return {"elbo": -nats, "bits_per_dim": nats / (size * _LOG_2)}

    # ---- config --------------------------------------------------------------

    def conditions(self) -> tuple[Condition, ...]:
        """What data are conditioned on, `num_steps`, and the guidance's knobs."""
        return self.conditions_with(self.sampler, self.guidance)

    def data_conditions(self) -> tuple[Condition, ...]:
        """What a caller must say of each sample."""
        return self._data_conditions

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        serialize = keras.saving.serialize_keras_object
        image_shape, network = self.image_shape, self.network_name
        return {
            **super().get_config(),
            "image_shape": None if image_shape is None else list(image_shape),
            "data_shape": list(self.data_shape) if image_shape is None else None,
            "network": serialize(self.network) if self._network_is_given else network,
            "network_options": self.network_options,
            "num_classes": self.num_classes,
            "vector_dim": self.vector_dim,
            "context_shape": self.context_shape,
            "condition_dim": self.condition_dim,
            "condition_dropout": self.condition_dropout,
            **self._given.get_config(),
            "self_conditioning": self.self_conditioning,
            "guidance_scale": self.guidance_scale,
            "thresholding": self.thresholding,
            "num_pixel_levels": self.num_pixel_levels,
        }
