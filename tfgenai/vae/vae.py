"""VAE: the variational autoencoder, its objective, samples and endpoints."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.conditions import Condition
from tfgenai.core.image_checks import check_image_batch
from tfgenai.core.likelihoods import LIKELIHOODS, Likelihood
from tfgenai.core.model import GenerativeModel
from tfgenai.core.reductions import weighted_mean
from tfgenai.core.signatures import Signature
from tfgenai.vae.checks import check_arguments, check_network
from tfgenai.vae.importance import importance_weighted_log_prob
from tfgenai.vae.latent_space import LatentSpace
from tfgenai.vae.networks import NETWORKS
from tfgenai.vae.posterior import kl_to_prior, split_posterior
from tfgenai.vae.signatures import latent_signatures

_LATENT_STREAM, _PIXEL_STREAM = 0, 1

_TEMPERATURE = Condition(
    "temperature",
    "float32",
    minimum=0.0,
    maximum=10.0,
    default=1.0,
    description="standard deviation of the latents; 1.0 is the prior",
)
_PIXEL_NOISE = Condition(
    "pixel_noise",
    "int32",
    minimum=0,
    maximum=1,
    default=0,
    description="0: the expected image; 1: an image drawn from the likelihood",
)


@keras.saving.register_keras_serializable("tfgenai")
class VAE(LatentSpace, GenerativeModel):
    """Variational autoencoder with a standard normal prior, conditional on request.

    Kingma & Welling 2014, "Auto-Encoding Variational Bayes", arXiv:1312.6114, equation
    10; β as in Higgins et al. 2017, "beta-VAE"; free bits as in Kingma et al. 2016,
    "Improving Variational Inference with Inverse Autoregressive Flow",
    arXiv:1606.04934, appendix C.8. All logged figures are nats per example: summed over
    pixels and latents, averaged over the batch.

    - `loss`, what is minimised: reconstruction_loss + β · max(kl, free bits);
    - `reconstruction_loss`: -E[log p(x | z)] with one z per example;
    - `kl`: KL(q(z | x) || p(z));
    - `elbo`: -(reconstruction_loss + kl), the bound itself, whatever β and free bits.

    With the Bernoulli likelihood these are log-likelihoods of *binary* images only; on
    grey ones the model trains, on a cross-entropy; see `core.likelihoods.Bernoulli`.

    Args:
        image_shape: (height, width, channels).
        latent_dim: length of z.
        encoder: Keras model or layer from images, or `[images, one_hot_labels]`, to
            `(batch, 2 * latent_dim)`, means and log variances; None for `network`'s.
        decoder: Keras model or layer from latents, or `[latents, one_hot_labels]`, to
            the likelihood's parameters `(batch, height, width, num_parameters)`; None
            for `network`'s.
        network: `"mlp"` or `"conv"`, the networks used where none is given.
        hidden_units: units of their fully connected hidden layers, in the encoder's
            order.
        filters: channels of the convolutional stages, each of which halves the image;
            `"conv"` only.
        likelihood: `"bernoulli"`, `"gaussian"`, `"discretized_logistic"`,
            `"discretized_logistic_mixture"`, or a `Likelihood`.
        beta: weight of the KL divergence.
        kl_warmup_steps: training steps in which the weight rises linearly from 0 to
            `beta`; 0 for none. Validation always uses `beta` in full.
        free_bits: nats per latent dimension, averaged over the (replica's) batch,
            below which the KL divergence costs nothing more.
        num_classes: number of labels, or None for a model without labels.
        seed: seed of the initial weights and of all noise in training.
        ema_decay: decay of the averaged weights, or None.
        name: name of the model.
        dtype: dtype policy.

    Raises:
        ValueError: if a number is out of range, a name unknown, or a network's output
            does not have the shape that it should.
        TypeError: if a network is no Keras layer.

    Example:
        >>> vae = VAE((28, 28, 1), 20)
        >>> vae.generate(2, seed=7).shape
        (2, 28, 28, 1)
    """

    loss_names = ("loss", "reconstruction_loss", "kl", "elbo")

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        *,
        encoder: keras.layers.Layer | None = None,
        decoder: keras.layers.Layer | None = None,
        network: str = "mlp",
        hidden_units: Sequence[int] = (400,),
        filters: Sequence[int] = (32, 64),
        likelihood: str | Likelihood = "bernoulli",
        beta: float = 1.0,
        kl_warmup_steps: int = 0,
        free_bits: float = 0.0,
        num_classes: int | None = None,
        seed: int = 0,
        ema_decay: float | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        image_shape = check_arguments(
            image_shape=image_shape,
            latent_dim=latent_dim,
            hidden_units=hidden_units,
            filters=filters,
            beta=beta,
            kl_warmup_steps=kl_warmup_steps,
            free_bits=free_bits,
            num_classes=num_classes,
        )
        super().__init__(seed=seed, ema_decay=ema_decay, name=name, dtype=dtype)
        self.image_shape = image_shape
        self.latent_dim = latent_dim
        self.network = network
        self.hidden_units = tuple(hidden_units)
        self.filters = tuple(filters)
        self.likelihood = LIKELIHOODS.create(likelihood)
        self.beta = beta
        self.kl_warmup_steps = kl_warmup_steps
        self.free_bits = free_bits
        self.num_classes = num_classes
        self.label_condition = (
            None
            if num_classes is None
            else Condition(
                "labels",
                "int32",
                minimum=0,
                maximum=num_classes - 1,
                description="class of the image",
            )
        )
        num_parameters = self.likelihood.num_parameters(image_shape[-1])
        arguments = {
            "num_classes": num_classes,
            "hidden_units": self.hidden_units,
            "seed": seed,
            "dtype": self.dtype_policy,
        }
        if network == "conv":
            arguments["filters"] = self.filters
        make_encoder, make_decoder = NETWORKS.get(network)
        self._given = {"encoder": encoder is not None, "decoder": decoder is not None}
        if encoder is None:
            encoder = make_encoder(image_shape, latent_dim, **arguments)
        if decoder is None:
            decoder = make_decoder(
                image_shape, latent_dim, num_parameters=num_parameters, **arguments
            )
        check_network(
            encoder,
            "encoder",
            (image_shape, num_classes),
            (2 * latent_dim,),
            f"Means and log variances of {latent_dim} latents stand side by side.",
        )
        check_network(
            decoder,
            "decoder",
            ((latent_dim,), num_classes),
            (*image_shape[:2], num_parameters),
            f"{type(self.likelihood).__name__} reads {num_parameters} parameters a "
            "pixel.",
        )
        self.encoder = encoder
        self.decoder = decoder
        self.finish_init()

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Reconstructions of images, or of `[images, labels]`; see `reconstruct`."""
        x, labels = (inputs, None) if self.num_classes is None else inputs
        mean, _ = self.posterior(x, labels, training=training)
        return self.likelihood.mean(self.parameters(mean, labels, training=training))

    # ---- the two conditional distributions -----------------------------------

    def posterior(
        self, x: tf.Tensor, labels: tf.Tensor | None = None, *, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and log variance of q(z | x), float32 `(batch, latent_dim)` each.

        Args:
            x: float `(batch, height, width, channels)` in [-1, 1].
            labels: int32 `(batch,)`, or None.
            training: whether layers behave as in training.
        """
        return split_posterior(
            self.encoder(self._with_labels(x, labels), training=training)
        )

    def parameters(
        self, z: tf.Tensor, labels: tf.Tensor | None = None, *, training: bool = False
    ) -> tf.Tensor:
        """The likelihood's parameters, `(batch, height, width, num_parameters)`.

        Args:
            z: float `(batch, latent_dim)`.
            labels: int32 `(batch,)`, or None.
            training: whether layers behave as in training.
        """
        return self.decoder(self._with_labels(z, labels), training=training)

    # ---- training ------------------------------------------------------------

    def compute_losses(
        self,
        x: tf.Tensor,
        y: tf.Tensor | None,
        sample_weight: tf.Tensor | None,
        *,
        seed: tf.Tensor,
        training: bool,
    ) -> dict[str, tf.Tensor]:
        """The objective and its parts; see the class and the base class."""
        labels = check_image_batch(x, y, self.image_shape, self.num_classes)
        mean, log_variance = self.posterior(x, labels, training=training)
        # Kingma & Welling 2014, equation 10: z = mu + sigma * epsilon
        scale = tf.exp(0.5 * log_variance)
        z = mean + scale * random.normal(seed, tf.shape(mean))
        parameters = self.parameters(z, labels, training=training)
        reconstruction_loss = -weighted_mean(
            self.likelihood.log_prob(x, parameters), sample_weight
        )
        kl_of_dims = weighted_mean(kl_to_prior(mean, log_variance), sample_weight)
        kl = tf.reduce_sum(kl_of_dims)
        if self.free_bits:
            penalty = tf.reduce_sum(tf.maximum(kl_of_dims, self.free_bits))
        else:
            penalty = kl
        return {
            "loss": reconstruction_loss + self._kl_weight(training) * penalty,
            "reconstruction_loss": reconstruction_loss,
            "kl": kl,
            "elbo": -(reconstruction_loss + kl),
        }

    def _kl_weight(self, training: bool) -> float | tf.Tensor:
        if not training or not self.kl_warmup_steps:
            return self.beta
        step = tf.cast(self.step.value, tf.float32)
        return self.beta * tf.minimum(step / self.kl_warmup_steps, 1.0)

    # ---- generation ----------------------------------------------------------

    def conditions(self) -> tuple[Condition, ...]:
        """`labels` where the model is conditional, and the two knobs."""
        labels = () if self.label_condition is None else (self.label_condition,)
        return (*labels, _TEMPERATURE, _PIXEL_NOISE)

    def sample(  # type: ignore[override]  # the conditions, by name
        self,
        seeds: tf.Tensor,
        *,
        temperature: tf.Tensor,
        pixel_noise: tf.Tensor,
        labels: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Images of latents from the prior.

        Args:
            seeds: int64 `(batch,)`.
            temperature: float32 `(batch,)`, standard deviation of the latents.
            pixel_noise: int32 `(batch,)`; 0 gives the expected image, 1 draws an image
                from the likelihood, which is what the model says data look like.
            labels: int32 `(batch,)`, where the model is conditional.

        Returns:
            float32 `(batch, height, width, channels)` in [-1, 1].
        """
        z = random.row_normal(seeds, (self.latent_dim,), _LATENT_STREAM)
        parameters = self.parameters(temperature[:, tf.newaxis] * z, labels)
        expected = self.likelihood.mean(parameters)
        drawn = pixel_noise > 0

        def draw() -> tf.Tensor:
            pixels = self.likelihood.sample(parameters, seeds, stream=_PIXEL_STREAM)
            return tf.where(
                drawn[:, tf.newaxis, tf.newaxis, tf.newaxis], pixels, expected
            )

        return tf.cond(tf.reduce_any(drawn), draw, lambda: expected)

    def encode_mean(self, x: tf.Tensor, labels: tf.Tensor | None) -> tf.Tensor:
        """Posterior means, `(batch, latent_dim)`; the graph behind `encode`."""
        return self.posterior(x, labels)[0]

    def decode_mean(self, z: tf.Tensor, labels: tf.Tensor | None) -> tf.Tensor:
        """Expected images; the graph behind `decode`."""
        return self.likelihood.mean(self.parameters(z, labels))

    def reconstruct_mean(self, x: tf.Tensor, labels: tf.Tensor | None) -> tf.Tensor:
        """Expected images of posterior means; the graph behind `reconstruct`."""
        return self.decode_mean(self.encode_mean(x, labels), labels)

    def log_marginal(
        self,
        x: tf.Tensor,
        labels: tf.Tensor | None,
        seeds: tf.Tensor,
        num_samples: int | tf.Tensor,
    ) -> tf.Tensor:
        """Estimates of log p(x), nats `(batch,)`; the graph behind `log_likelihood`."""
        return importance_weighted_log_prob(
            x,
            labels,
            self.posterior(x, labels),
            seeds,
            num_samples,
            decode=self.parameters,
            log_prob=self.likelihood.log_prob,
        )

    def serving_signatures(self, **options: Any) -> dict[str, Signature]:
        """The base class's, and `encode`, `decode`, `reconstruct` and `score`."""
        return super().serving_signatures(**options) | latent_signatures(self)

    # ---- config --------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        networks = {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            if given
            else None
            for name, given in self._given.items()
        }
        return {
            **super().get_config(),
            **networks,
            "image_shape": list(self.image_shape),
            "latent_dim": self.latent_dim,
            "network": self.network,
            "hidden_units": list(self.hidden_units),
            "filters": list(self.filters),
            "likelihood": keras.saving.serialize_keras_object(self.likelihood),
            "beta": self.beta,
            "kl_warmup_steps": self.kl_warmup_steps,
            "free_bits": self.free_bits,
            "num_classes": self.num_classes,
        }

    def _with_labels(self, tensor: tf.Tensor, labels: tf.Tensor | None) -> Any:
        if labels is None:
            return tensor
        return [tensor, tf.one_hot(labels, self.num_classes)]
