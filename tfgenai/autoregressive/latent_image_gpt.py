"""LatentImageGPT: a transformer that draws images as sequences of codes."""

import math
from typing import Any

import keras
import tensorflow as tf

from tfgenai.autoregressive.checks import check_code_model, check_count
from tfgenai.autoregressive.knobs import CODE_TEMPERATURE, label_conditions
from tfgenai.autoregressive.sequence_sampling import draw_sequences
from tfgenai.core.conditions import Condition
from tfgenai.core.copies import frozen_copy
from tfgenai.core.ema_decay import EMADecay
from tfgenai.core.image_checks import check_image_batch
from tfgenai.core.likelihoods.categorical import cross_entropy
from tfgenai.core.model import GenerativeModel
from tfgenai.core.reductions import weighted_mean
from tfgenai.layers import TransformerDecoder
from tfgenai.layers.causal_mask import causal_visibility


@keras.saving.register_keras_serializable("tfgenai")
class LatentImageGPT(GenerativeModel):
    """An autoencoder of codes below, which stays as it is, and a transformer above.

    Van den Oord et al. 2017, "Neural Discrete Representation Learning",
    arXiv:1711.00937, section 3.3, with a transformer as the prior, as in Esser et al.
    2021, "Taming Transformers for High-Resolution Image Synthesis", arXiv:2012.09841,
    section 3.2. Codes are read in raster order; a start token stands before the first,
    of a conditional model one for each class. Codes are far fewer than pixels, so that
    images can be larger than those of `ImageGPT`.

    The autoencoder is a part of the `.keras` file, of presets and of the export, and no
    training moves it.

    - `loss`: -log p(codes), nats per example, summed over codes and averaged over the
      batch. It is no likelihood of images, so there are no bits per dimension;
    - `bits_per_code`: the same per code, in bits; log2 of the code book's size is that
      of codes drawn uniformly.

    Args:
        autoencoder: a trained Keras model with `image_shape`, `code_shape`,
            `num_embeddings` and, as functions of tensors, `encode_codes(x)` and
            `decode_codes(codes)`, as `VQVAE` has. It is copied, with its averaged
            weights where it has them.
        num_classes: number of labels, or None for a model without labels.
        num_layers: number of blocks.
        num_heads: attention heads.
        hidden_dim: length of a code's vector.
        intermediate_dim: units of the feed-forward layers; None for the usual number.
        norm: `"layer"` or `"rms"`.
        activation: `"gelu"` or `"swiglu"`.
        position_embedding: `"learned"` or `"rotary"`.
        use_qk_norm: whether queries and keys are normalised.
        tie_weights: whether input and output embeddings are one variable.
        dropout: share of units set to zero in training, in [0, 1).
        remat: whether activations are computed again in the backward pass instead of
            kept: less memory for a third more time.
        seed: seed of the initial weights and of dropout.
        ema_decay: decay of the averaged weights, an `EMADecay`, or None; the
            autoencoder is not averaged.
        name: name of the model.
        dtype: dtype policy; the autoencoder keeps its own.

    Raises:
        TypeError: if the autoencoder is no Keras model that encodes to codes.
        ValueError: if a number is out of range, a name unknown, or the autoencoder's
            codes are not of its `code_shape`.

    Example:
        >>> from tfgenai.vae import VQVAE
        >>> vqvae = VQVAE((8, 8, 1), num_embeddings=16, filters=(8,))
        >>> sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8}
        >>> LatentImageGPT(vqvae, **sizes).generate(2, seed=7).shape
        (2, 8, 8, 1)
    """

    loss_names = ("loss", "bits_per_code")

    def __init__(
        self,
        autoencoder: keras.Model,
        *,
        num_classes: int | None = None,
        num_layers: int = 6,
        num_heads: int = 4,
        hidden_dim: int = 128,
        intermediate_dim: int | None = None,
        norm: str = "layer",
        activation: str = "gelu",
        position_embedding: str = "learned",
        use_qk_norm: bool = False,
        tie_weights: bool = False,
        dropout: float = 0.0,
        remat: bool = False,
        seed: int = 0,
        ema_decay: float | EMADecay | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        image_shape, code_shape, num_embeddings = check_code_model(autoencoder)
        check_count("num_classes", 1 if num_classes is None else num_classes, 1)
        self._label_conditions = label_conditions(num_classes)
        super().__init__(seed=seed, ema_decay=ema_decay, name=name, dtype=dtype)
        self.autocast = False  # codes are those of the images as they are given
        self.image_shape = image_shape
        self.code_shape = code_shape
        self.num_embeddings = num_embeddings
        self.num_classes = num_classes
        self._network_options: dict[str, Any] = {
            "num_layers": num_layers,
            "num_heads": num_heads,
            "hidden_dim": hidden_dim,
            "intermediate_dim": intermediate_dim,
            "norm": norm,
            "activation": activation,
            "position_embedding": position_embedding,
            "use_qk_norm": use_qk_norm,
            "tie_weights": tie_weights,
            "dropout": dropout,
            "remat": remat,
        }
        self.decoder = TransformerDecoder(
            num_embeddings + (num_classes or 1),
            math.prod(code_shape),
            **self._network_options,
            seed=seed,
            name="decoder",
            dtype=self.dtype_policy,
        )
        self.autoencoder = frozen_copy(autoencoder)
        self.finish_init()

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Logits of the codes of images, or of `[images, labels]`.

        Returns:
            float32 `(batch, codes, num_embeddings)`, in raster order.
        """
        x, labels = (inputs, None) if self.num_classes is None else inputs
        return self._logits(self._codes(x), labels, training)

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
        """The negative log-likelihood of the codes; see the class."""
        labels = check_image_batch(x, y, self.image_shape, self.num_classes)
        log_prob = self.code_log_prob(x, labels, training=training)
        loss = -weighted_mean(log_prob, sample_weight)
        bits = loss / (math.prod(self.code_shape) * math.log(2.0))
        return {"loss": loss, "bits_per_code": bits}

    def code_log_prob(
        self, x: tf.Tensor, labels: tf.Tensor | None = None, *, training: bool = False
    ) -> tf.Tensor:
        """Log p(codes of x) in nats, float32 `(batch,)`, as a pure function.

        Args:
            x: float `(batch, height, width, channels)` in [-1, 1].
            labels: int32 `(batch,)`, or None.
            training: whether layers behave as in training.
        """
        codes = self._codes(x)
        losses = cross_entropy(codes, self._logits(codes, labels, training))
        return -tf.reduce_sum(losses, axis=1)

    def averaged_weights(self) -> list[keras.Variable]:
        """The transformer's: the autoencoder does not move."""
        return self.decoder.weights

    def undecayed_variables(self) -> list[keras.Variable]:
        """Offsets and scales: what has fewer than two axes."""
        return [v for v in self.trainable_variables if len(v.shape) < 2]

    def default_optimizers(self) -> dict[str, Any]:
        """Adam with little memory of squares, and clipped gradients."""
        return {
            "optimizer": keras.optimizers.Adam(1e-3, beta_2=0.95, global_clipnorm=1.0)
        }

    # ---- generation ----------------------------------------------------------

    def conditions(self) -> tuple[Condition, ...]:
        """`labels` where the model is conditional, and the temperature."""
        return (*self._label_conditions, CODE_TEMPERATURE)

    def sample(  # type: ignore[override]  # the conditions, by name
        self,
        seeds: tf.Tensor,
        *,
        temperature: tf.Tensor,
        labels: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Images of codes that are drawn one after another.

        Args:
            seeds: int64 `(batch,)`.
            temperature: float32 `(batch,)`; 1.0 draws from the model, lower ones nearer
                to the likeliest codes, which 0.0 takes.
            labels: int32 `(batch,)`, where the model is conditional.

        Returns:
            float32 `(batch, height, width, channels)` in [-1, 1].
        """
        codes, _ = draw_sequences(
            self.decoder,
            seeds,
            temperature,
            self._start(tf.shape(seeds)[0], labels),
            num_levels=self.num_embeddings,
        )
        codes = tf.reshape(codes, (-1, *self.code_shape))
        return tf.cast(self.autoencoder.decode_codes(codes), tf.float32)

    # ---- config --------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "autoencoder": keras.saving.serialize_keras_object(self.autoencoder),
            "num_classes": self.num_classes,
            **self._network_options,
        }

    def _codes(self, x: tf.Tensor) -> tf.Tensor:
        """Codes of images in raster order, int32 `(batch, codes)`."""
        codes = self.autoencoder.encode_codes(tf.cast(x, tf.float32))
        return tf.reshape(tf.cast(codes, tf.int32), (-1, math.prod(self.code_shape)))

    def _logits(
        self, codes: tf.Tensor, labels: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        start = self._start(tf.shape(codes)[0], labels)[:, tf.newaxis]
        inputs = tf.concat([start, codes[:, :-1]], axis=1)
        # The same for all rows: every image has as many codes.
        seen = causal_visibility(tf.zeros((1, codes.shape[1]), tf.int32))
        hidden = self.decoder(inputs, visibility=seen, training=training)
        return self.decoder.logits(hidden)[..., : self.num_embeddings]

    def _start(self, batch: tf.Tensor, labels: tf.Tensor | None) -> tf.Tensor:
        """The token before the first code, int32 `(batch,)`."""
        if labels is None:
            return tf.fill(tf.reshape(batch, (1,)), self.num_embeddings)
        return self.num_embeddings + tf.cast(labels, tf.int32)
