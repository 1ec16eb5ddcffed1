"""PixelCNN: images pixel by pixel, each given those before, with exact likelihood."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.autoregressive.checks import (
    check_likelihood,
    check_network_arguments,
    check_support,
)
from tfgenai.autoregressive.network import PixelNetwork
from tfgenai.autoregressive.pixel_model import PixelModel
from tfgenai.autoregressive.sampling import draw_images
from tfgenai.core.ema_decay import EMADecay
from tfgenai.core.image_checks import check_image_shape
from tfgenai.core.likelihoods import LIKELIHOODS, Bernoulli, Likelihood
from tfgenai.core.model import GenerativeModel

# Mean and deviation on a card are rounded to six places.
_CARD_TOLERANCE = 2e-6


@keras.saving.register_keras_serializable("tfgenai")
class PixelCNN(PixelModel, GenerativeModel):  # type: ignore[misc]
    """Gated PixelCNN: p(x) as the product of the pixels' p(x_i | x_1, …, x_{i-1}).

    Van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders",
    arXiv:1606.05328: pixels in raster order, a vertical and a horizontal stack without
    a blind spot, channels R before G before B, gates, and labels in every layer
    (equation 4). Besides, as options: dilated kernels, attention over all pixels before
    (PixelSNAIL, arXiv:1712.09763), and a context of whole rows (`RowContext`). A
    learned embedding of the position is added to the first layer.

    With `"discretized_logistic_mixture"` the likelihood itself relates the channels of
    a pixel, as in PixelCNN++ (Salimans et al. 2017, arXiv:1701.05517), and the masks
    keep none of them apart.

    - `loss`: nats per example, -log p(x), summed over pixels and averaged over the
      batch;
    - `bits_per_dim`: the same per value, in bits.

    Args:
        image_shape: (height, width, channels).
        num_filters: channels of each stack.
        num_blocks: gated blocks.
        kernel_size: side of the square whose upper half a block sees; odd.
        first_kernel_size: the same of the first layer, whose inputs are pixels.
        dilations: distances between the kernels' taps, of the blocks in turn; (1, 2, 4)
            sees further at the same cost.
        attention_blocks: numbers of the blocks, from 0, that attention follows.
        num_heads: heads of the attention.
        row_context_dim: length of the vectors that stand for rows, or None for no
            context of rows.
        num_row_blocks: gated blocks of that context.
        likelihood: `"bernoulli"` for binary pixels, `"categorical"`,
            `"discretized_logistic"` or `"discretized_logistic_mixture"` for grey
            levels, or a `Likelihood`.
        num_classes: number of labels, or None for a model without labels.
        dropout: share of gated features dropped in training.
        seed: seed of the initial weights and of all noise in training.
        ema_decay: decay of the averaged weights, an `EMADecay`, or None.
        name: name of the model.
        dtype: dtype policy.

    Raises:
        ValueError: if a number is out of range, a name unknown, or the likelihood one
            whose pixels cannot be drawn one by one.

    Example:
        >>> model = PixelCNN((8, 8, 1), num_filters=8, num_blocks=2)
        >>> model.generate(2, seed=7).shape
        (2, 8, 8, 1)
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        *,
        num_filters: int = 64,
        num_blocks: int = 8,
        kernel_size: int = 3,
        first_kernel_size: int = 7,
        dilations: Sequence[int] = (1,),
        attention_blocks: Sequence[int] = (),
        num_heads: int = 4,
        row_context_dim: int | None = None,
        num_row_blocks: int = 4,
        likelihood: str | Likelihood = "bernoulli",
        num_classes: int | None = None,
        dropout: float = 0.0,
        seed: int = 0,
        ema_decay: float | EMADecay | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        image_shape = check_image_shape(image_shape)
        check_network_arguments(
            counts={
                "num_filters": num_filters,
                "num_blocks": num_blocks,
                "num_heads": num_heads,
                "row_context_dim": row_context_dim,
                "num_row_blocks": num_row_blocks,
                "num_classes": num_classes,
            },
            kernels={
                "kernel_size": kernel_size,
                "first_kernel_size": first_kernel_size,
            },
            dilations=dilations,
            attention_blocks=attention_blocks,
            dropout=dropout,
        )
        drawn_from: Likelihood = LIKELIHOODS.create(likelihood)
        parameter_groups = check_likelihood(drawn_from, image_shape, num_filters)
        super().__init__(seed=seed, ema_decay=ema_decay, name=name, dtype=dtype)
        self.image_shape = image_shape
        self.num_filters = num_filters
        self.num_blocks = num_blocks
        self.kernel_size = kernel_size
        self.first_kernel_size = first_kernel_size
        self.dilations = tuple(dilations)
        self.attention_blocks = tuple(attention_blocks)
        self.num_heads = num_heads
        self.row_context_dim = row_context_dim
        self.num_row_blocks = num_row_blocks
        self.likelihood = drawn_from
        self.num_classes = num_classes
        self.dropout = dropout
        self.network = PixelNetwork(
            image_shape,
            num_filters=num_filters,
            num_blocks=num_blocks,
            kernel_size=kernel_size,
            first_kernel_size=first_kernel_size,
            dilations=self.dilations,
            attention_blocks=self.attention_blocks,
            num_heads=num_heads,
            row_context_dim=row_context_dim,
            num_row_blocks=num_row_blocks,
            parameter_groups=parameter_groups,
            num_parameters=drawn_from.num_parameters(image_shape[-1]),
            num_classes=num_classes,
            dropout=dropout,
            seed=seed,
            dtype=self.dtype_policy,
            name="network",
        )
        self.finish_init()

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Parameters of the pixels of images, or of `[images, labels]`."""
        x, labels = (inputs, None) if self.num_classes is None else inputs
        return self.network(x, self._one_hot(labels), training=training)

    # ---- training ------------------------------------------------------------

    def check_data(self, data: Any, name: str) -> None:
        """Refuses grey images where the likelihood is of binary ones.

        Arrays are looked at; of a dataset from `tfgenai.data.load` its card tells.
        Other likelihoods round to their nearest level.
        """
        super().check_data(data, name)
        if not isinstance(self.likelihood, Bernoulli):
            return
        if _is_loaded_grey(data):
            raise ValueError(
                f"Images in the likelihood's support, {self.likelihood.support}, were "
                f"expected. Received: {name} of {data.card.name!r} with grey pixels, "
                "loaded with binarize=None. Load it with binarize='dynamic', or make "
                "the model with another likelihood."
            )
        if isinstance(data, tuple | list) and data:
            data, name = data[0], f"{name}[0]"
        if not isinstance(data, np.ndarray | tf.Tensor):
            return
        x = np.asarray(data)
        # Another type or shape is refused by name when the step is traced.
        is_float = tf.as_dtype(x.dtype).is_floating if x.dtype.kind in "fV" else False
        if is_float and x.shape[1:] == self.image_shape:
            check_support(x.astype(np.float32), self.likelihood, name=name)

    def log_prob(
        self, x: tf.Tensor, labels: tf.Tensor | None = None, *, training: bool = False
    ) -> tf.Tensor:
        """Log p(x) as a pure function, float32 `(batch,)`; see `log_likelihood`.

        Args:
            x: float `(batch, height, width, channels)` in the likelihood's support.
            labels: int32 `(batch,)`, or None.
            training: whether layers behave as in training.
        """
        parameters = self.network(x, self._one_hot(labels), training=training)
        return self.likelihood.log_prob(x, parameters)

    # ---- generation ----------------------------------------------------------

    def sample_with_log_prob(
        self,
        seeds: tf.Tensor,
        *,
        temperature: tf.Tensor,
        labels: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Images as `sample` draws them, and their log p(x) at temperature 1.

        Returns:
            float32 `(batch, height, width, channels)` and nats `(batch,)`.
        """
        return draw_images(
            self.network, self.likelihood, seeds, temperature, self._one_hot(labels)
        )

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
        return draw_images(
            self.network,
            self.likelihood,
            seeds,
            temperature,
            self._one_hot(labels),
            images=images,
            is_known=is_known,
        )[0]

    # ---- config --------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "image_shape": list(self.image_shape),
            "num_filters": self.num_filters,
            "num_blocks": self.num_blocks,
            "kernel_size": self.kernel_size,
            "first_kernel_size": self.first_kernel_size,
            "dilations": list(self.dilations),
            "attention_blocks": list(self.attention_blocks),
            "num_heads": self.num_heads,
            "row_context_dim": self.row_context_dim,
            "num_row_blocks": self.num_row_blocks,
            "likelihood": keras.saving.serialize_keras_object(self.likelihood),
            "num_classes": self.num_classes,
            "dropout": self.dropout,
        }

    def _one_hot(self, labels: tf.Tensor | None) -> tf.Tensor | None:
        return None if labels is None else tf.one_hot(labels, self.num_classes)


def _is_loaded_grey(data: Any) -> bool:
    """Whether it is clear that a dataset of `tfgenai.data.load` has grey pixels."""
    if getattr(data, "binarize", "unknown") is not None:
        return False
    if data.mixes_pixels:
        return True
    # Of pixels in [0, 1], those of 0 or 1 alone have the variance mean · (1 - mean).
    return all(
        split.mean * (1.0 - split.mean) - split.std**2 > _CARD_TOLERANCE
        for split in data.card.splits.values()
    )
