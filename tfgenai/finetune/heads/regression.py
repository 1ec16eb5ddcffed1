"""RegressionHead: numbers that belong to an example."""

from typing import Any

import keras
import tensorflow as tf

from tfgenai.core.model import GenerativeModel
from tfgenai.core.reductions import weighted_mean
from tfgenai.finetune.heads.features import Features
from tfgenai.finetune.heads.head import TaskHead


@keras.saving.register_keras_serializable("tfgenai")
class RegressionHead(TaskHead):
    """Numbers from the features of a pre-trained model.

    Trained by `fit` on pairs (x, y) with the squared error, a mean over the numbers.

    Args:
        base: a pre-trained model; it is frozen.
        num_targets: numbers of each example.
        features: which of the base's vectors are used.
        hidden_dim: units of a hidden layer; None for a linear head.
        dropout: share of the features set to zero in training, in [0, 1).
        seed: seed of the initial weights and of dropout.
        name: name of the model.

    Raises:
        ValueError: if the base has no features, or a number is out of range.

    Example:
        >>> import tfgenai as tg
        >>> head = RegressionHead(tg.VAE((8, 8, 1), 4))
        >>> head(tf.zeros((2, 8, 8, 1))).shape
        TensorShape([2, 1])
    """

    def __init__(
        self,
        base: GenerativeModel,
        num_targets: int = 1,
        *,
        features: Features | None = None,
        hidden_dim: int | None = None,
        dropout: float = 0.0,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        if num_targets < 1:
            raise ValueError(
                f"A positive number was expected. Received: {num_targets=}."
            )
        super().__init__(
            base,
            features=features,
            hidden_dim=hidden_dim,
            dropout=dropout,
            seed=seed,
            name=name,
        )
        self.num_targets = num_targets
        self.make_layers(num_targets)
        self.finish_init()

    def compute_losses(
        self,
        x: Any,
        y: tf.Tensor | None,
        sample_weight: tf.Tensor | None,
        *,
        seed: tf.Tensor,
        training: bool,
    ) -> dict[str, tf.Tensor]:
        """`loss`, the mean squared error; see the base class.

        Args:
            x: what the base is trained on.
            y: float `(batch,)` or `(batch, num_targets)`.
            sample_weight: float32 `(batch,)`, or None.
            seed: int32 `(2,)`.
            training: whether layers behave as in training.
        """
        if y is None:
            raise ValueError(
                "Batches of (x, y) were expected. Received: y=None. Give the numbers."
            )
        wanted = tf.reshape(tf.cast(y, tf.float32), (-1, self.num_targets))
        squared = tf.reduce_mean(tf.square(self(x, training=training) - wanted), -1)
        return {"loss": weighted_mean(squared, sample_weight)}

    def answer(self, outputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """The numbers."""
        return {"values": outputs}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "num_targets": self.num_targets}
