"""TaskHead: what task layers on a pre-trained model have in common."""

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core.errors import DataError
from tfgenai.core.model import GenerativeModel
from tfgenai.core.signatures import Signature
from tfgenai.finetune.freeze import freeze
from tfgenai.finetune.heads.features import Features
from tfgenai.finetune.heads.inputs import example_signature, input_spec
from tfgenai.layers import Initializers, SeededDropout

_STREAM = 41


@dataclasses.dataclass(frozen=True)
class _AsSaved:
    """A base from a head's file, of which what trains is what trained then."""

    model: GenerativeModel


class TaskHead(GenerativeModel):
    """Layers of a task on the features of a pre-trained model, trained by `fit`.

    The base is frozen when the head is made, adapters that it brings among it, which go
    on acting; `unfreeze` lets parts of it train, see `unfreeze_gradually`, and
    `use_adapter` an adapter. It is saved within the head's file. The features are
    normalised, each vector to mean 0 and variance 1, before the head's own layers.

    Args:
        base: a pre-trained model; see `Features` for which.
        features: which of its vectors are the features.
        hidden_dim: units of a hidden layer; None for a linear head.
        dropout: share of the features set to zero in training, in [0, 1).
        seed: seed of the initial weights and of dropout.
        name: name of the model.
    """

    output_dim: int

    def __init__(
        self,
        base: Any,
        *,
        features: Features | None = None,
        hidden_dim: int | None = None,
        dropout: float = 0.0,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        is_as_saved = isinstance(base, _AsSaved)
        if is_as_saved:
            base = base.model
        super().__init__(
            seed=seed, name=name, dtype=getattr(base, "dtype_policy", None)
        )
        self.base = base
        self._is_as_saved = is_as_saved
        self.features = features or Features()
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.rate_scales: dict[int, float] = {}

    def make_layers(self, output_dim: int) -> None:
        """Makes the layers; the last line but one of every constructor."""
        shape = self.start_layers()
        if len(shape) != 1:
            raise ValueError(
                "Features that are one vector of each example were expected. Received: "
                f"features.pool={self.features.pool!r}, of shape {shape}. Use 'mean', "
                "or a DecoderHead."
            )
        dim = int(shape[0] or 0)
        new = Initializers(self.seed, _STREAM)
        self.hidden = None
        if self.hidden_dim is not None:
            self.hidden = self._dense(dim, self.hidden_dim, new, "gelu", "hidden")
        self.output_layer = self._dense(
            self.hidden_dim or dim, output_dim, new, None, "output"
        )

    def start_layers(self) -> tuple[int | None, ...]:
        """Freezes the base, and makes what comes before the layers of any task.

        Returns:
            Shape of one example's features.
        """
        shape = self._feature_shape()
        self.norm = keras.layers.LayerNormalization(
            center=False, scale=False, dtype="float32", name="norm"
        )
        self.norm.build((None, *shape))
        self.feature_dropout = SeededDropout(self.dropout, dtype="float32")
        if not self._is_as_saved:
            freeze(self.base, "*", verbose=False)
            self.base.adaptation.freeze_adapters()
        return shape

    def _dense(
        self, in_dim: int, units: int, new: Initializers, activation: Any, name: str
    ) -> keras.layers.Dense:
        layer = keras.layers.Dense(
            units,
            activation=activation,
            kernel_initializer=new.lecun(),
            dtype="float32",
            name=name,
        )
        layer.build((None, in_dim))
        return layer

    def _feature_shape(self) -> tuple[int | None, ...]:
        """Shape of one example's features, found by tracing the base."""
        spec = input_spec(self.base)
        traced = tf.function(
            lambda x: self.features.of(self.base, x), autograph=False
        ).get_concrete_function(spec)
        return tuple(traced.output_shapes[1:])

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """See the base class."""
        super().compile(*args, **kwargs)
        self._compiled_for = self._trainable_ids()

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """See the base class; a head whose base was frozen otherwise is refused.

        Raises:
            ValueError: if other variables train than when the head was compiled.
            DataError: if the labels are an array in which some are none.
        """
        if self.compiled and self._compiled_for != self._trainable_ids():
            raise ValueError(
                "A head that was compiled after the last freeze or unfreeze was "
                "expected. Received: a base of which other variables train now, which "
                "the compiled head would not notice. Call compile() again."
            )
        bound = inspect.signature(keras.Model.fit).bind(self, *args, **kwargs)
        if bound.arguments.get("y") is not None:
            self.check_targets(bound.arguments["y"], bound.arguments.get("x"))
        return super().fit(*args, **kwargs)

    def check_targets(self, y: Any, x: Any = None) -> None:
        """Refuses an array of what `fit` is to learn from `x` that makes no sense."""

    def _trainable_ids(self) -> frozenset[int]:
        return frozenset(id(variable) for variable in self.trainable_variables)

    def call(self, x: Any, training: bool = False) -> tf.Tensor:
        """What the last layer answers, float32 `(batch, output_dim)`.

        Args:
            x: what the base is trained on.
            training: whether layers behave as in training.
        """
        hidden = self.norm(self.features.of(self.base, x, training=training))
        return self.read_out(hidden, training=training)

    def read_out(self, hidden: tf.Tensor, training: bool = False) -> tf.Tensor:
        """The head's own layers on normalised features."""
        hidden = self.feature_dropout(hidden, training=training)
        if self.hidden is not None:
            hidden = self.hidden(hidden)
        return self.output_layer(hidden)

    def features_of(self, x: Any, *, batch_size: int = 256) -> np.ndarray:
        """Normalised features of many examples.

        Args:
            x: array `(n, ...)` of what the base is trained on.
            batch_size: examples at a time.

        Returns:
            float32 `(n, dim)`.

        Raises:
            DataError: if there are none.
        """

        def run(x: tf.Tensor) -> tf.Tensor:
            return self.norm(self.features.of(self.base, x))

        return self._on_rows("features", run, x, batch_size)

    def predict_rows(self, x: Any, *, batch_size: int = 256) -> np.ndarray:
        """`call` on many examples, float32 `(n, output_dim)`.

        Args:
            x: array `(n, ...)` of what the base is trained on.
            batch_size: examples at a time.

        Raises:
            DataError: if there are none.
        """
        return self._on_rows("predict", lambda x: self(x), x, batch_size)

    def _on_rows(
        self, key: str, run: Callable[[tf.Tensor], Any], x: Any, batch_size: int
    ) -> Any:
        """A function of a batch, called on one batch after the other."""
        x = np.asarray(x)
        if not x.size:
            raise DataError(
                f"One example or more was expected. Received: x of shape {x.shape}. "
                "Look for what left none, such as a filter or a split."
            )
        function = self.compiled_sampler(key, run, False)
        return self.run_in_batches(function, {"x": x}, batch_size)

    def minimize(
        self,
        optimizer: keras.optimizers.Optimizer,
        tape: tf.GradientTape,
        loss: tf.Tensor,
        variables: Sequence[keras.Variable],
    ) -> list[tf.Tensor]:
        """See the base class; variables in `rate_scales` go a part of the way.

        Their gradients are not scaled: Adam's steps would be as long as before.
        """
        slow = [v for v in variables if id(v) in self.rate_scales]
        before = [tf.identity(v.value) for v in slow]
        gradients = super().minimize(optimizer, tape, loss, variables)
        for variable, old in zip(slow, before, strict=True):
            step = variable.value - old
            variable.assign(old + self.rate_scales[id(variable)] * step)
        return gradients

    def averaged_weights(self) -> list[keras.Variable]:
        """None: heads keep no average."""
        return []

    def answer(self, outputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """What a server answers, by name, from what `call` returned."""
        raise NotImplementedError(f"{type(self).__name__} must define answer().")

    def serving_signatures(self, **options: Any) -> dict[str, Signature]:
        """One endpoint, `predict`: texts or images in, the task's answer out."""
        self.serving_options(**options)
        return {
            "predict": example_signature(
                self.base, lambda x: self.answer(self(x)), "The task's answer."
            )
        }

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        serialize = keras.saving.serialize_keras_object
        return {
            **{key: config[key] for key in ("name", "seed")},
            **({"adaptation": config["adaptation"]} if "adaptation" in config else {}),
            "base": serialize(self.base),
            "features": serialize(self.features),
            "hidden_dim": self.hidden_dim,
            "dropout": self.dropout,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Makes a head from `get_config()`; of its base trains what did."""
        base = keras.saving.deserialize_keras_object(
            config["base"], custom_objects=custom_objects
        )
        return super().from_config({**config, "base": _AsSaved(base)}, custom_objects)
