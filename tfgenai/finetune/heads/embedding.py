"""EmbeddingHead: vectors that are near where examples are alike."""

from typing import Any

import keras
import tensorflow as tf

from tfgenai.core.model import GenerativeModel
from tfgenai.core.reductions import weighted_mean
from tfgenai.finetune.heads.features import Features
from tfgenai.finetune.heads.head import TaskHead


@keras.saving.register_keras_serializable("tfgenai")
class EmbeddingHead(TaskHead):
    """Unit vectors from the features of a pre-trained model, near within a class.

    Trained by `fit` on pairs (x, y) with the supervised contrastive loss of Khosla et
    al. 2020, "Supervised Contrastive Learning", arXiv:2004.11362, equation 2, in nats
    per example; examples whose class is alone in the batch do not count.

    Args:
        base: a pre-trained model; it is frozen.
        embedding_dim: length of the vectors.
        temperature: what similarities are divided by; positive.
        features: which of the base's vectors are used.
        hidden_dim: units of a hidden layer; None for a linear head.
        dropout: share of the features set to zero in training, in [0, 1).
        seed: seed of the initial weights and of dropout.
        name: name of the model.

    Raises:
        ValueError: if the base has no features, or a number is out of range.

    Example:
        >>> import tfgenai as tg
        >>> head = EmbeddingHead(tg.VAE((8, 8, 1), 4), 3)
        >>> tf.norm(head(tf.ones((2, 8, 8, 1))), axis=1).numpy().round(3).tolist()
        [1.0, 1.0]
    """

    def __init__(
        self,
        base: GenerativeModel,
        embedding_dim: int = 64,
        *,
        temperature: float = 0.1,
        features: Features | None = None,
        hidden_dim: int | None = None,
        dropout: float = 0.0,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        for key, value in (
            ("embedding_dim", embedding_dim),
            ("temperature", temperature),
        ):
            if not value > 0:
                raise ValueError(
                    f"A positive number was expected. Received: {key}={value!r}."
                )
        super().__init__(
            base,
            features=features,
            hidden_dim=hidden_dim,
            dropout=dropout,
            seed=seed,
            name=name,
        )
        self.embedding_dim = embedding_dim
        self.temperature = temperature
        self.make_layers(embedding_dim)
        self.finish_init()

    def read_out(self, hidden: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Unit vectors."""
        return tf.math.l2_normalize(super().read_out(hidden, training=training), -1)

    def compute_losses(
        self,
        x: Any,
        y: tf.Tensor | None,
        sample_weight: tf.Tensor | None,
        *,
        seed: tf.Tensor,
        training: bool,
    ) -> dict[str, tf.Tensor]:
        """`loss` in nats per example; see the class and the base class."""
        if y is None:
            raise ValueError(
                "Batches of (x, y) were expected. Received: y=None. Give the classes."
            )
        vectors = self(x, training=training)
        losses, counts = contrastive_losses(vectors, y, self.temperature)
        if sample_weight is not None:
            counts *= tf.cast(sample_weight, tf.float32)
        return {"loss": weighted_mean(losses, counts)}

    def answer(self, outputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """The vectors."""
        return {"embeddings": outputs}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "temperature": self.temperature,
        }


def contrastive_losses(
    vectors: tf.Tensor, labels: tf.Tensor, temperature: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Khosla et al. 2020, equation 2, of each example.

    Args:
        vectors: float32 `(batch, dim)`, of length 1.
        labels: int `(batch,)`.
        temperature: what similarities are divided by.

    Returns:
        Losses in nats, float32 `(batch,)`, and 1 where another example has the class,
        else 0, float32 `(batch,)`.
    """
    size = tf.shape(vectors)[0]
    itself = tf.eye(size, dtype=tf.bool)
    similarity = tf.matmul(vectors, vectors, transpose_b=True) / temperature
    log_probs = tf.nn.log_softmax(tf.where(itself, -1e9, similarity))
    alike = (labels[:, tf.newaxis] == labels) & ~itself
    counts = tf.reduce_sum(tf.cast(alike, tf.float32), 1)
    total = tf.reduce_sum(tf.where(alike, log_probs, 0.0), 1)
    return -tf.math.divide_no_nan(total, counts), tf.cast(counts > 0, tf.float32)
