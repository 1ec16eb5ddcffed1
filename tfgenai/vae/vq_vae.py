"""VQVAE: an autoencoder whose latents are numbers of a code book."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.image_checks import check_image_batch, check_image_shape, check_images
from tfgenai.core.likelihoods import LIKELIHOODS, Likelihood
from tfgenai.core.model import GenerativeModel
from tfgenai.core.reductions import weighted_mean
from tfgenai.core.signatures import Signature
from tfgenai.vae.checks import check_codes, check_vq_arguments
from tfgenai.vae.signatures import code_signatures
from tfgenai.vae.vector_quantizer import VectorQuantizer
from tfgenai.vae.vq_networks import vq_decoder, vq_encoder


@keras.saving.register_keras_serializable("tfgenai")
class VQVAE(GenerativeModel):
    """Images as small maps of codes, each the number of a vector that is learned.

    Van den Oord et al. 2017, "Neural Discrete Representation Learning",
    arXiv:1711.00937. Training minimises equation 3 with the second term as a gradient
    for the code book; the prior is uniform, as in the paper's training. So `generate`,
    which draws every code uniformly, shows what the *prior* lacks: a transformer over
    the codes, `LatentImageGPT(vqvae)`, learns it.

    All figures are sums over an example, averaged over the batch:

    - `loss`, what is minimised: the sum of the next three, the last one weighted;
    - `reconstruction_loss`: -log p(x | z), nats;
    - `codebook_loss`: |sg(z_e) - e|², which moves the code book;
    - `commitment_loss`: |z_e - sg(e)|², which keeps the encoder near it;
    - `elbo`: log p(x | z) - codes · log(num_embeddings), nats, the bound on log p(x)
      under the uniform prior;
    - `code_perplexity`: exp of the entropy of the codes of a batch, over all replicas,
      the number of codes in use; averaged over batches. It grows with the batch.

    Args:
        image_shape: (height, width, channels); both sides must be divisible by two as
            often as there are filters.
        num_embeddings: vectors in the code book.
        embedding_dim: their length.
        filters: channels of the convolutional stages, each of which halves the image.
        num_residual_blocks: residual blocks of encoder and decoder.
        likelihood: `"bernoulli"`, `"gaussian"`, `"discretized_logistic"`,
            `"discretized_logistic_mixture"`, or a `Likelihood`.
        commitment_weight: weight of the commitment loss, β in the paper.
        seed: seed of the initial weights.
        ema_decay: decay of the averaged weights, or None.
        name: name of the model.
        dtype: dtype policy; vectors and losses are float32 under each.

    Raises:
        ValueError: if a number is out of range or a name unknown.

    Example:
        >>> model = VQVAE((8, 8, 1), num_embeddings=16, filters=(8,))
        >>> codes = model.encode(np.zeros((2, 8, 8, 1), np.float32))
        >>> codes.shape, model.decode(codes).shape
        ((2, 4, 4), (2, 8, 8, 1))
    """

    loss_names = (
        "loss",
        "reconstruction_loss",
        "codebook_loss",
        "commitment_loss",
        "elbo",
        "code_perplexity",
    )

    def __init__(
        self,
        image_shape: Sequence[int],
        *,
        num_embeddings: int = 256,
        embedding_dim: int = 16,
        filters: Sequence[int] = (32, 64),
        num_residual_blocks: int = 2,
        likelihood: str | Likelihood = "discretized_logistic",
        commitment_weight: float = 0.25,
        seed: int = 0,
        ema_decay: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        image_shape = check_image_shape(image_shape)
        check_vq_arguments(
            counts={
                "num_embeddings": num_embeddings,
                "embedding_dim": embedding_dim,
                "filters": filters,
            },
            num_residual_blocks=num_residual_blocks,
            commitment_weight=commitment_weight,
        )
        super().__init__(seed=seed, ema_decay=ema_decay, name=name, dtype=dtype)
        self.image_shape = image_shape
        # NumPy's integers would not be numbers in an export's card.
        self.num_embeddings = num_embeddings = int(num_embeddings)
        self.embedding_dim = embedding_dim = int(embedding_dim)
        self.filters = tuple(int(channels) for channels in filters)
        self.num_residual_blocks = num_residual_blocks = int(num_residual_blocks)
        self.likelihood = LIKELIHOODS.create(likelihood)
        self.commitment_weight = commitment_weight
        options: dict[str, Any] = {
            "filters": self.filters,
            "num_residual_blocks": num_residual_blocks,
            "seed": seed,
            "dtype": self.dtype_policy,
        }
        self.encoder = vq_encoder(image_shape, embedding_dim, **options)
        self.decoder = vq_decoder(
            image_shape,
            embedding_dim,
            num_parameters=self.likelihood.num_parameters(image_shape[-1]),
            **options,
        )
        self.quantizer = VectorQuantizer(
            num_embeddings, embedding_dim, seed=seed, dtype="float32", name="quantizer"
        )
        self.code_shape: tuple[int, int] = tuple(self.encoder.output_shape[1:3])
        self.finish_init()

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Reconstructions of images; see `reconstruct`."""
        z = self.quantizer(self.encoder(x, training=training))
        return self.likelihood.mean(self.decoder(z, training=training))

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
        check_image_batch(x, y, self.image_shape, None)
        z = self.encoder(x, training=training)
        codes = self.quantizer.codes(z)
        nearest = self.quantizer.lookup(codes)
        # Straight through, section 3.2: the decoder's gradient goes to the encoder.
        parameters = self.decoder(z + tf.stop_gradient(nearest - z), training=training)
        log_prob = self.likelihood.log_prob(x, parameters)
        reconstruction_loss = -weighted_mean(log_prob, sample_weight)

        def distance(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
            squares = tf.math.squared_difference(a, b)
            return weighted_mean(tf.reduce_sum(squares, (1, 2, 3)), sample_weight)

        codebook_loss = distance(tf.stop_gradient(z), nearest)
        commitment_loss = distance(z, tf.stop_gradient(nearest))
        # van den Oord et al. 2017, equation 3
        loss = (
            reconstruction_loss
            + codebook_loss
            + self.commitment_weight * commitment_loss
        )
        log_prior = -math.prod(self.code_shape) * math.log(self.num_embeddings)
        return {
            "loss": loss,
            "reconstruction_loss": reconstruction_loss,
            "codebook_loss": codebook_loss,
            "commitment_loss": commitment_loss,
            "elbo": weighted_mean(log_prob + log_prior, sample_weight),
            "code_perplexity": _perplexity(codes, self.num_embeddings, sample_weight),
        }

    # ---- generation ----------------------------------------------------------

    def sample(self, seeds: tf.Tensor) -> tf.Tensor:  # type: ignore[override]
        """Images of codes that are drawn uniformly, the prior of the training.

        Args:
            seeds: int64 `(batch,)`.

        Returns:
            float32 `(batch, height, width, channels)` in [-1, 1].
        """
        uniforms = random.row_uniform(seeds, self.code_shape)
        codes = tf.cast(uniforms * self.num_embeddings, tf.int32)
        # Rounding may reach the upper end.
        return self.decode_codes(tf.minimum(codes, self.num_embeddings - 1))

    def encode_codes(self, x: tf.Tensor) -> tf.Tensor:
        """Codes of images, int32 `(batch, *code_shape)`; the graph behind `encode`."""
        return self.quantizer.codes(self.encoder(x))

    def decode_codes(self, codes: tf.Tensor) -> tf.Tensor:
        """Expected images of codes; the graph behind `decode`."""
        return self.likelihood.mean(self.decoder(self.quantizer.lookup(codes)))

    def reconstruct_codes(self, x: tf.Tensor) -> tf.Tensor:
        """Expected images of images' codes; the graph behind `reconstruct`."""
        return self.decode_codes(self.encode_codes(x))

    def encode(self, x: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Codes of images.

        Args:
            x: float `(n, height, width, channels)` in [-1, 1].
            batch_size: images per call of the network; default `min(n, 256)`.

        Returns:
            int32 `(n, *code_shape)` in [0, num_embeddings).

        Raises:
            TypeError: if the images are not floats.
            ValueError: if shape or range do not fit.
        """
        return self._run(
            "encode_codes", {"x": check_images(x, self.image_shape)}, batch_size
        )

    def decode(self, codes: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Expected images of codes.

        Args:
            codes: int `(n, *code_shape)` in [0, num_embeddings).
            batch_size: rows per call of the network; default `min(n, 256)`.

        Returns:
            float32 `(n, height, width, channels)` in [-1, 1].

        Raises:
            TypeError: if they are not integers.
            ValueError: if shape or range do not fit.
        """
        checked = check_codes(codes, self.code_shape, self.num_embeddings)
        return self._run("decode_codes", {"codes": checked}, batch_size)

    def reconstruct(self, x: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Expected images of the codes of images: `decode(encode(x))`.

        Args:
            x: float `(n, height, width, channels)` in [-1, 1].
            batch_size: images per call of the network; default `min(n, 256)`.

        Returns:
            float32 `(n, height, width, channels)` in [-1, 1].

        Raises:
            TypeError: if the images are not floats.
            ValueError: if shape or range do not fit.
        """
        return self._run(
            "reconstruct_codes", {"x": check_images(x, self.image_shape)}, batch_size
        )

    def serving_signatures(self, **options: Any) -> dict[str, Signature]:
        """The base class's, and `encode`, `decode` and `reconstruct`."""
        return super().serving_signatures(**options) | code_signatures(self)

    # ---- config --------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "image_shape": list(self.image_shape),
            "num_embeddings": self.num_embeddings,
            "embedding_dim": self.embedding_dim,
            "filters": list(self.filters),
            "num_residual_blocks": self.num_residual_blocks,
            "likelihood": keras.saving.serialize_keras_object(self.likelihood),
            "commitment_weight": self.commitment_weight,
        }

    def _run(
        self, name: str, rows: dict[str, np.ndarray], batch_size: int | None
    ) -> np.ndarray:
        function = self.compiled_sampler(name, getattr(self, name), False)
        return self.run_in_batches(function, rows, batch_size)


def _perplexity(
    codes: tf.Tensor, num_embeddings: int, sample_weight: tf.Tensor | None
) -> tf.Tensor:
    """The exponential of the entropy of how often each code stands in a batch."""
    counts = tf.reduce_sum(tf.one_hot(codes, num_embeddings, dtype=tf.float32), (1, 2))
    if sample_weight is not None:
        counts *= tf.cast(sample_weight, tf.float32)[:, tf.newaxis]
    counts = tf.reduce_sum(counts, axis=0)
    context = tf.distribute.get_replica_context()
    if context is not None and context.num_replicas_in_sync > 1:
        counts = context.all_reduce(tf.distribute.ReduceOp.SUM, counts)
    shares = tf.math.divide_no_nan(counts, tf.reduce_sum(counts))
    return tf.exp(-tf.reduce_sum(tf.math.xlogy(shares, shares)))
