"""Conditions of a diffusion model: labels, vectors and text embeddings, or none."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.conditions import Condition

_STREAM = 7  # of initial weights; the network has others

LABELS, VECTOR, CONTEXT = "labels", "vector", "context"


@keras.saving.register_keras_serializable("tfgenai")
class ConditionEmbedding(keras.layers.Layer):
    """Turns what a caller says of a sample into what the network is given.

    A row without its conditions, which classifier-free guidance needs, gets learned
    values in their place. Ho & Salimans 2022, "Classifier-Free Diffusion Guidance",
    arXiv:2207.12598.

    Args:
        num_classes: number of labels, or None.
        vector_dim: length of a vector, or None.
        context_shape: (tokens, dim) of a text embedding, or None.
        condition_dim: length of the result for labels and vectors.
        seed: seed of the initial weights.

    Call arguments:
        rows: tensors by name: `labels` int32 `(batch,)`, `vector` float32
            `(batch, vector_dim)`, `context` float32 `(batch, tokens, dim)`.
        kept: bool `(batch,)`, rows whose conditions are used.

    Returns:
        The condition `(batch, condition_dim)` or None, and the context
        `(batch, tokens, dim)` or None.
    """

    def __init__(
        self,
        *,
        num_classes: int | None = None,
        vector_dim: int | None = None,
        context_shape: tuple[int, int] | None = None,
        condition_dim: int = 128,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.vector_dim = vector_dim
        self.context_shape = None if context_shape is None else tuple(context_shape)
        self.condition_dim = condition_dim
        self.seed = seed
        generator = random.numpy_generator(seed, _STREAM)

        def initializer() -> keras.initializers.Initializer:
            return keras.initializers.RandomNormal(
                stddev=0.02, seed=int(generator.integers(2**31 - 1))
            )

        if num_classes is not None:
            # the last row stands for no label
            self.label_embedding = self.add_weight(
                name="label_embedding",
                shape=(num_classes + 1, condition_dim),
                initializer=initializer(),
            )
        if vector_dim is not None:
            self.vector_projection = self.add_weight(
                name="vector_projection",
                shape=(vector_dim, condition_dim),
                initializer=keras.initializers.GlorotUniform(
                    seed=int(generator.integers(2**31 - 1))
                ),
            )
            self.no_vector = self.add_weight(
                name="no_vector", shape=(condition_dim,), initializer=initializer()
            )
        if context_shape is not None:
            self.no_context = self.add_weight(
                name="no_context", shape=self.context_shape, initializer=initializer()
            )
        self.built = True

    def call(
        self, rows: Mapping[str, tf.Tensor], kept: tf.Tensor
    ) -> tuple[tf.Tensor | None, tf.Tensor | None]:
        """See the class."""
        condition = context = None
        if self.num_classes is not None:
            index = tf.where(kept, rows[LABELS], self.num_classes)
            condition = tf.gather(self.label_embedding, index)
        if self.vector_dim is not None:
            projected = tf.matmul(
                tf.cast(rows[VECTOR], self.compute_dtype),
                tf.cast(self.vector_projection, self.compute_dtype),
            )
            vector = tf.where(kept[:, tf.newaxis], projected, self.no_vector)
            condition = vector if condition is None else condition + vector
        if self.context_shape is not None:
            given = tf.cast(rows[CONTEXT], self.compute_dtype)
            context = tf.where(kept[:, tf.newaxis, tf.newaxis], given, self.no_context)
        return condition, context

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "vector_dim": self.vector_dim,
            "context_shape": self.context_shape,
            "condition_dim": self.condition_dim,
            "seed": self.seed,
        }


def data_conditions(
    num_classes: int | None,
    vector_dim: int | None,
    context_shape: tuple[int, int] | None,
) -> tuple[Condition, ...]:
    """What a caller must say of each sample of a model."""
    conditions = []
    if num_classes is not None:
        conditions.append(
            Condition(
                LABELS,
                "int32",
                minimum=0,
                maximum=num_classes - 1,
                description="class of the sample",
            )
        )
    if vector_dim is not None:
        conditions.append(
            Condition(
                VECTOR,
                "float32",
                shape=(vector_dim,),
                description="vector that the sample is to follow",
            )
        )
    if context_shape is not None:
        conditions.append(
            Condition(
                CONTEXT,
                "float32",
                shape=tuple(context_shape),
                description="text embedding that the sample is to follow",
            )
        )
    return tuple(conditions)


def rows_of_batch(y: Any, conditions: tuple[Condition, ...]) -> dict[str, tf.Tensor]:
    """A training batch's conditions by name.

    Args:
        y: a tensor where the model has one condition; a mapping by name where it has
            several; None where it has none (what is given then is ignored).
        conditions: what `data_conditions` returned.

    Raises:
        ValueError: if one is missing or does not fit, found while the step is traced.
        TypeError: if labels are not integers.
    """
    if not conditions:
        return {}
    names = [c.name for c in conditions]
    if y is None:
        raise ValueError(
            f"Batches of (x, {' and '.join(names)}) were expected: the model is "
            "conditional. Received: y=None. Give them, or make the model without "
            "conditions."
        )
    if not isinstance(y, Mapping):
        if len(conditions) > 1:
            raise ValueError(
                f"A dictionary of {names} was expected. Received: y of type "
                f"{type(y).__name__}. Name each condition."
            )
        y = {names[0]: y}
    rows = {}
    for condition in conditions:
        if condition.name not in y:
            raise ValueError(
                f"Conditions {names} were expected. Received: y with {sorted(y)}. Add "
                f"{condition.name!r}."
            )
        value = tf.convert_to_tensor(y[condition.name])
        if condition.name == LABELS and not value.dtype.is_integer:
            raise TypeError(
                "Integer labels of shape (batch,) were expected. Received: y of type "
                f"{value.dtype.name} and shape {value.shape}. Turn one-hot labels into "
                "numbers with argmax."
            )
        if not value.shape[1:].is_compatible_with(condition.shape):
            raise ValueError(
                f"A {condition.name!r} of shape {('batch', *condition.shape)} was "
                f"expected. Received: shape {value.shape}."
            )
        rows[condition.name] = tf.cast(value, condition.dtype)
    return rows
