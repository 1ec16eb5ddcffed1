"""ImageGPT: a transformer that reads and draws images as sequences of grey levels."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.autoregressive.checks import check_count
from tfgenai.autoregressive.levels import levels_of_images, levels_to_images
from tfgenai.autoregressive.pixel_model import PixelModel
from tfgenai.autoregressive.sequence_sampling import draw_sequences
from tfgenai.core.ema_decay import EMADecay
from tfgenai.core.image_checks import check_image_shape, check_images
from tfgenai.core.likelihoods import Categorical
from tfgenai.core.model import GenerativeModel
from tfgenai.layers import TransformerDecoder
from tfgenai.layers.causal_mask import causal_visibility


@keras.saving.register_keras_serializable("tfgenai")
class ImageGPT(PixelModel, GenerativeModel):  # type: ignore[misc]
    """p(x) as the product of the p(x_i | x_1, …, x_{i-1}) that a transformer gives.

    Chen et al. 2020, "Generative Pretraining from Pixels" (ICML), section 2.1, equation
    1: pixels in raster order, channel after channel within each, every value a token;
    the network is `layers.TransformerDecoder` with learned positions. A start token
    stands before the first value; of a conditional model, one for each class.

    Training rounds images to the nearest of `num_levels` levels; so does
    `round_to_levels`, which images need whose likelihood is asked for.

    - `loss`: nats per example, -log p(x) of the levels, summed over values and averaged
      over the batch;
    - `bits_per_dim`: the same per value, in bits, of the levels and not of 8-bit images
      where there are fewer than 256.

    Attention looks at all values before, so that a step of training costs the square of
    their number: this is for small images.

    Args:
        image_shape: (height, width, channels).
        num_levels: grey levels, equally spaced from -1 to 1; 2 for binary images, at
            most 256.
        num_classes: number of labels, or None for a model without labels.
        num_layers: number of blocks.
        num_heads: attention heads.
        hidden_dim: length of a token's vector.
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
        ema_decay: decay of the averaged weights, an `EMADecay`, or None.
        name: name of the model.
        dtype: dtype policy.

    Raises:
        ValueError: if a number is out of range or a name unknown.

    Example:
        >>> sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8}
        >>> model = ImageGPT((4, 4, 1), **sizes)
        >>> model.generate(2, seed=7).shape
        (2, 4, 4, 1)
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        *,
        num_levels: int = 2,
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
        image_shape = check_image_shape(image_shape)
        check_count("num_levels", num_levels, 2, 256)
        check_count("num_classes", 1 if num_classes is None else num_classes, 1)
        super().__init__(seed=seed, ema_decay=ema_decay, name=name, dtype=dtype)
        self.image_shape = image_shape
        self.num_levels = num_levels
        self.num_classes = num_classes
        self.likelihood = Categorical(num_levels)
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
            num_levels + (num_classes or 1),
            math.prod(image_shape),
            **self._network_options,
            seed=seed,
            name="decoder",
            dtype=self.dtype_policy,
        )
        self.finish_init()

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Logits of the levels of images, or of `[images, labels]`.

        Returns:
            float32 `(batch, height, width, channels * num_levels)`, channel after
            channel, as `core.likelihoods.Categorical` takes them.
        """
        x, labels = (inputs, None) if self.num_classes is None else inputs
        return self._logits(x, labels, training)

    # ---- training ------------------------------------------------------------

    def log_prob(
        self, x: tf.Tensor, labels: tf.Tensor | None = None, *, training: bool = False
    ) -> tf.Tensor:
        """Log p(x) as a pure function, float32 `(batch,)`; see `log_likelihood`.

        Args:
            x: float `(batch, height, width, channels)`; rounded to the levels.
            labels: int32 `(batch,)`, or None.
            training: whether layers behave as in training.
        """
        logits = self._logits(x, labels, training)
        return self.likelihood.log_prob(x, logits)

    def undecayed_variables(self) -> list[keras.Variable]:
        """Offsets and scales: what has fewer than two axes."""
        return [v for v in self.trainable_variables if len(v.shape) < 2]

    def default_optimizers(self) -> dict[str, Any]:
        """Adam with little memory of squares, and clipped gradients."""
        return {
            "optimizer": keras.optimizers.Adam(1e-3, beta_2=0.95, global_clipnorm=1.0)
        }

    # ---- generation ----------------------------------------------------------

    def round_to_levels(self, images: Any) -> np.ndarray:
        """Images with every value at the nearest level.

        Args:
            images: float `(n, height, width, channels)` in [-1, 1].

        Returns:
            float32 `(n, height, width, channels)` in [-1, 1].

        Raises:
            TypeError: if they are not floats.
            ValueError: if shape or range do not fit.

        Example:
            >>> sizes = {"num_layers": 1, "num_heads": 1, "hidden_dim": 4}
            >>> model = ImageGPT((1, 2, 1), num_levels=3, **sizes)
            >>> model.round_to_levels(np.array([[[[0.4], [0.6]]]])).ravel()
            array([0., 1.], dtype=float32)
        """
        images = check_images(images, self.image_shape, name="images")
        return levels_to_images(
            levels_of_images(images, self.num_levels), self.num_levels, self.image_shape
        ).numpy()

    def sample_with_log_prob(
        self,
        seeds: tf.Tensor,
        *,
        temperature: tf.Tensor,
        labels: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Images as `sample` draws them, and their log p(x) at temperature 1.

        Args:
            seeds: see `sample`.
            temperature: see `sample`.
            labels: see `sample`.

        Returns:
            float32 `(batch, height, width, channels)` and nats `(batch,)`.
        """
        return self._draw(seeds, temperature, labels)

    def complete_rows(  # type: ignore[override]
        self,
        seeds: tf.Tensor,
        *,
        images: tf.Tensor,
        is_known: tf.Tensor,
        temperature: tf.Tensor,
        labels: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Images with their known pixels; the graph behind `complete`.

        Args:
            seeds: int64 `(batch,)`.
            images: float32 `(batch, height, width, channels)`.
            is_known: bool `(batch, height, width)`.
            temperature: float32 `(batch,)`.
            labels: int32 `(batch,)`, where the model is conditional.

        Returns:
            float32 `(batch, height, width, channels)` in [-1, 1].
        """
        # All channels of a pixel are known or none.
        each = tf.repeat(is_known, self.image_shape[-1], axis=-1)
        known = {
            "known": levels_of_images(images, self.num_levels),
            "is_known": tf.reshape(each, (-1, math.prod(self.image_shape))),
        }
        return self._draw(seeds, temperature, labels, **known)[0]

    # ---- config --------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "image_shape": list(self.image_shape),
            "num_levels": self.num_levels,
            "num_classes": self.num_classes,
            **self._network_options,
        }

    # ---- sequences -----------------------------------------------------------

    def _logits(
        self, x: tf.Tensor, labels: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        tokens = levels_of_images(x, self.num_levels)
        start = self._start(tf.shape(tokens)[0], labels)[:, tf.newaxis]
        inputs = tf.concat([start, tokens[:, :-1]], axis=1)
        # The same for all rows: every image is as long as the others.
        seen = causal_visibility(tf.zeros((1, tokens.shape[1]), tf.int32))
        hidden = self.decoder(inputs, visibility=seen, training=training)
        logits = self.decoder.logits(hidden)[..., : self.num_levels]
        height, width, channels = self.image_shape
        return tf.reshape(logits, (-1, height, width, channels * self.num_levels))

    def _draw(
        self,
        seeds: tf.Tensor,
        temperature: tf.Tensor,
        labels: tf.Tensor | None,
        **known: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        tokens, log_prob = draw_sequences(
            self.decoder,
            seeds,
            temperature,
            self._start(tf.shape(seeds)[0], labels),
            num_levels=self.num_levels,
            **known,
        )
        images = levels_to_images(tokens, self.num_levels, self.image_shape)
        return images, log_prob

    def _start(self, batch: tf.Tensor, labels: tf.Tensor | None) -> tf.Tensor:
        """The token before the first value, int32 `(batch,)`."""
        if labels is None:
            return tf.fill(tf.reshape(batch, (1,)), self.num_levels)
        return self.num_levels + tf.cast(labels, tf.int32)
