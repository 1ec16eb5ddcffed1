"""What models that draw an image value by value have in common."""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfgenai.autoregressive.completion import ImageCompletion
from tfgenai.autoregressive.knobs import TEMPERATURE, label_conditions
from tfgenai.autoregressive.signatures import pixel_signatures
from tfgenai.core.conditions import Condition
from tfgenai.core.image_checks import check_image_batch
from tfgenai.core.reductions import weighted_mean
from tfgenai.core.signatures import Signature


class PixelModel(ImageCompletion):
    """Mixin of `GenerativeModel`s with an exact `log_prob` and `sample_with_log_prob`.

    - `loss`: nats per example, -log p(x), summed over values and averaged over the
      batch;
    - `bits_per_dim`: the same per value, in bits.
    """

    loss_names: tuple[str, ...] = ("loss", "bits_per_dim")
    num_classes: int | None
    sample_with_log_prob: Callable[..., tuple[tf.Tensor, tf.Tensor]]

    def compute_losses(
        self,
        x: tf.Tensor,
        y: tf.Tensor | None,
        sample_weight: tf.Tensor | None,
        *,
        seed: tf.Tensor,
        training: bool,
    ) -> dict[str, tf.Tensor]:
        """The negative log-likelihood; see the class and `GenerativeModel`."""
        labels = check_image_batch(x, y, self.image_shape, self.num_classes)
        log_prob = self.log_prob(x, labels, training=training)
        loss = -weighted_mean(log_prob, sample_weight)
        bits = loss / (math.prod(self.image_shape) * math.log(2.0))
        return {"loss": loss, "bits_per_dim": bits}

    def conditions(self) -> tuple[Condition, ...]:  # type: ignore[override]
        """`labels` where the model is conditional, and the temperature."""
        return (*self.label_conditions(), TEMPERATURE)

    def label_conditions(self) -> tuple[Condition, ...]:  # type: ignore[override]
        """`labels` where the model is conditional."""
        return label_conditions(self.num_classes)

    def sample(  # type: ignore[override]  # the conditions, by name
        self,
        seeds: tf.Tensor,
        *,
        temperature: tf.Tensor,
        labels: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Images, value after value, one uniform number from the row's seed for each.

        Args:
            seeds: int64 `(batch,)`.
            temperature: float32 `(batch,)`; 1.0 draws from the model, lower ones nearer
                to the likeliest level of each value, which 0.0 takes.
            labels: int32 `(batch,)`, where the model is conditional.

        Returns:
            float32 `(batch, height, width, channels)` in [-1, 1].
        """
        images, _ = self.sample_with_log_prob(
            seeds, temperature=temperature, labels=labels
        )
        return images

    def serving_signatures(self, **options: Any) -> dict[str, Signature]:
        """The base class's, and `score` and `complete`."""
        return super().serving_signatures(**options) | pixel_signatures(self)
