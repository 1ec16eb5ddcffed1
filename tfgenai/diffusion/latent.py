"""LatentDiffusion: diffusion in the latent space of an autoencoder that is given."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core.copies import frozen_copy
from tfgenai.diffusion import checks
from tfgenai.diffusion.autoencoders import Autoencoder, check_autoencoder
from tfgenai.diffusion.conditioning import LABELS, rows_of_batch
from tfgenai.diffusion.diffusion import DiffusionModel
from tfgenai.diffusion.predictions import Prediction
from tfgenai.diffusion.samplers import Sampler
from tfgenai.diffusion.schedules import NoiseSchedule
from tfgenai.diffusion.weightings import LossWeighting

# Batches that `fit` looks at: enough for two digits of a standard deviation.
_BATCHES_OF_FIT = 100
# A latent that never varies is not divided by zero.
_MIN_STD = 1e-6
_NOT_OF_LATENTS = ("image_shape", "data_shape", "thresholding", "num_pixel_levels")


@keras.saving.register_keras_serializable("tfgenai")
class LatentDiffusion(DiffusionModel):
    """Diffusion of latents: an autoencoder below, which stays as it is.

    Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models",
    arXiv:2112.10752. Images are encoded to the means of the autoencoder's posterior,
    which are made to have mean 0 and standard deviation 1 (section D.1 of the paper,
    here for each channel); samples go the other way. The autoencoder is a part of the
    `.keras` file, of presets and of the export, and no training moves it.

    - `loss`: as that of `DiffusionModel`, of normalised latents;
    - `latent_elbo`, in `evaluate` only: the variational bound on the log density of
      the *normalised latents*, nats per example. It is no likelihood of images, so
      there are no bits per dimension.

    Args:
        autoencoder: a trained Keras model with `image_shape` and either
            `encode_mean(x, labels)` and `decode_mean(z, labels)`, as `VAE` has, or
            `encode(x)` and `decode(z)`, as functions of tensors. Latents are vectors
            `(batch, dim)` or maps `(batch, height, width, channels)`. It is copied,
            with its averaged weights where it has them. If it takes labels, the model
            must take the same.
        network: as for `DiffusionModel`; None: the U-Net for maps, the MLP for vectors.
        network_options: arguments of the network that is named.
        num_classes: number of labels, or None for a model without labels.
        vector_dim: length of a vector to condition on, or None.
        context_shape: (tokens, dim) of a text embedding to condition on, or None.
        condition_dim: length of the embedded condition.
        condition_dropout: share of training rows whose conditions are dropped.
        noise_schedule: as for `DiffusionModel`.
        num_timesteps: number of noise levels; None for continuous time.
        zero_terminal_snr: whether the last level is pure noise.
        prediction_type: as for `DiffusionModel`.
        loss_weighting: as for `DiffusionModel`.
        self_conditioning: whether the network also sees its last estimate.
        sampler: sampler used where the caller names none.
        guidance_scale: guidance scale where the caller names none.
        seed: seed of the initial weights and of all noise in training.
        ema_decay: decay of the averaged weights, an `EMADecay`, or None; the
            autoencoder is not averaged.
        name: name of the model.
        dtype: dtype policy; the autoencoder keeps its own.

    Raises:
        TypeError: if the autoencoder is no Keras model that encodes and decodes.
        ValueError: if a number is out of range, or parts do not fit each other.

    Example:
        >>> from tfgenai.vae import VAE
        >>> model = LatentDiffusion(VAE((8, 8, 1), 4))
        >>> model.data_shape, model.generate(2, num_steps=3).shape
        ((4,), (2, 8, 8, 1))
    """

    evaluation_names: tuple[str, ...] = ("latent_elbo",)

    def __init__(
        self,
        autoencoder: keras.Model,
        *,
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
        seed: int = 0,
        ema_decay: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        image_shape, latent_shape = check_autoencoder(autoencoder, num_classes)
        super().__init__(
            data_shape=latent_shape,
            network=network,
            network_options=network_options,
            num_classes=num_classes,
            vector_dim=vector_dim,
            context_shape=context_shape,
            condition_dim=condition_dim,
            condition_dropout=condition_dropout,
            noise_schedule=noise_schedule,
            num_timesteps=num_timesteps,
            zero_terminal_snr=zero_terminal_snr,
            prediction_type=prediction_type,
            loss_weighting=loss_weighting,
            self_conditioning=self_conditioning,
            sampler=sampler,
            guidance_scale=guidance_scale,
            thresholding="none",
            seed=seed,
            ema_decay=ema_decay,
            name=name,
            dtype=dtype,
        )
        self.image_shape = image_shape
        self.autoencoder = frozen_copy(autoencoder)
        self.latent_mean = self._statistic("latent_mean", "zeros")
        self.latent_std = self._statistic("latent_std", "ones")
        # 0 until the two above are known
        self.num_adapted = self.add_weight(
            name="num_adapted",
            shape=(),
            dtype="int32",
            trainable=False,
            initializer="zeros",
            aggregation="only_first_replica",
        )

    # ---- between images and latents ------------------------------------------

    def encode_data(self, x: tf.Tensor, rows: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Normalised latents of images; see the base class."""
        z = Autoencoder(self.autoencoder).encode(x, rows.get(LABELS))
        return (z - self.latent_mean.value) / self.latent_std.value

    def decode_samples(self, x: tf.Tensor, rows: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Images of normalised latents; see the base class."""
        z = x * self.latent_std.value + self.latent_mean.value
        return Autoencoder(self.autoencoder).decode(z, rows.get(LABELS))

    def adapt(self, data: Any, num_batches: int | None = None) -> None:
        """Measures mean and standard deviation of the latents, for each channel.

        As with Keras's `Normalization`, the figures are weights. `fit` does it by
        itself, on 100 batches, where it was never done. Training goes on from other
        figures as from another data set: adapt once, before it.

        Args:
            data: what `fit` takes: a dataset of `x` or `(x, y)`, one of
                `tfgenai.data.load`, whose first epoch is read, or the images as an
                array, or `(x, y)` of arrays.
            num_batches: batches to look at; None for all.

        Raises:
            ValueError: if there are no data.
            TypeError: if they can be read only once.
        """
        count, total, squares = 0, np.float64(0.0), np.float64(0.0)
        measure = tf.function(self._unnormalised, reduce_retracing=True)
        for x, y in _batches(data, num_batches):
            z = measure(x, y).numpy().astype(np.float64)
            z = z.reshape(-1, z.shape[-1])
            count += len(z)
            total = total + z.sum(0)
            squares = squares + (z * z).sum(0)
        if not count:
            raise ValueError(
                "Data to measure the latents of were expected. Received: no batch. "
                "Give the training data."
            )
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - mean * mean, 0.0))
        self.latent_mean.assign(mean.astype(np.float32))
        self.latent_std.assign(np.where(std < _MIN_STD, 1.0, std).astype(np.float32))
        self.num_adapted.assign(min(count, 2**31 - 1))

    # ---- training ------------------------------------------------------------

    def _bound(self, *args: Any) -> dict[str, tf.Tensor]:
        return {"latent_elbo": super()._bound(*args)["elbo"]}

    def _prepare_callbacks(self, call: dict[str, Any]) -> list[Any]:
        # After callbacks have restored a checkpoint, before data are made for `fit`.
        callbacks = super()._prepare_callbacks(call)
        if not int(self.num_adapted.numpy()):
            data = call.get("x")
            if not isinstance(data, tf.data.Dataset) and call.get("y") is not None:
                data = (data, call["y"])
            self.adapt(data, _BATCHES_OF_FIT)
        return callbacks

    # ---- config --------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        for key in _NOT_OF_LATENTS:
            del config[key]
        autoencoder = keras.saving.serialize_keras_object(self.autoencoder)
        return {**config, "autoencoder": autoencoder}

    def _unnormalised(self, x: tf.Tensor, y: Any) -> tf.Tensor:
        checks.check_batch(x, self.sample_shape)
        rows = rows_of_batch(y, self.data_conditions())
        return Autoencoder(self.autoencoder).encode(
            tf.cast(x, tf.float32), rows.get(LABELS)
        )

    def _statistic(self, name: str, initializer: str) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=self.data_shape[-1:],
            dtype="float32",
            trainable=False,
            initializer=initializer,
            aggregation="only_first_replica",
        )


def _batches(data: Any, num_batches: int | None) -> Any:
    """Pairs of images and labels, labels None where there are none."""
    if hasattr(data, "for_epochs"):
        data = data.for_epochs(0, 1)
    elif not isinstance(data, tf.data.Dataset):
        parts = data if isinstance(data, tuple) else (data,)
        if not all(hasattr(part, "shape") for part in parts if part is not None):
            raise TypeError(
                "A dataset or arrays were expected, to measure the latents on. "
                f"Received: data of type {type(data).__name__}. Call adapt(data) with "
                "some of them before fit."
            )
        data = tf.data.Dataset.from_tensor_slices(
            tuple(part for part in parts if part is not None)
        ).batch(256)
    for batch in data if num_batches is None else data.take(num_batches):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        yield x, y
