"""The averaged weights: float32 shadows that are updated, swapped in and taken back."""

import contextlib
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf

from tfgenai.core.ema_decay import EMADecay


class WeightAverage:
    """Exponential moving average of a network's weights.

    Non-trainable weights, such as the statistics of BatchNormalization, are averages
    already and are copied.

    Args:
        model: the model that owns the shadows: they are its own non-trainable weights,
            so files, backups and strategies need nothing special.
        weights: the weights to average.
        decay: how fast the average forgets, or None for no average; see `ema_decay`.
        name: beginning of the shadows' names.
    """

    def __init__(
        self,
        model: keras.Model,
        weights: Sequence[keras.Variable],
        decay: EMADecay | None,
        *,
        name: str = "average",
    ) -> None:
        self.decay = decay
        # Integer state (counters) has no average; it is never swapped.
        self._weights = (
            [w for w in weights if "float" in w.dtype] if decay is not None else []
        )
        self._step = model.step
        self._depth = 0
        self._shadows = []
        for i, weight in enumerate(self._weights):
            shadow = model.add_weight(
                name=f"{name}_{i}",
                shape=weight.shape,
                dtype="float32",
                trainable=False,
                initializer="zeros",
                aggregation="only_first_replica",
            )
            shadow.assign(tf.cast(weight.value, tf.float32))
            self._shadows.append(shadow)

    @property
    def pairs(self) -> list[tuple[keras.Variable, keras.Variable]]:
        """The (weight, shadow) pairs; empty when there is no average."""
        return list(zip(self._weights, self._shadows, strict=True))

    def settle(self, weights: Sequence[keras.Variable]) -> None:
        """Writes the averages of some weights into them, before they are frozen."""
        chosen = {id(weight) for weight in weights}
        for weight, shadow in self.pairs:
            if id(weight) in chosen:
                weight.assign(tf.cast(shadow.value, weight.dtype))

    def follow(self, weights: Sequence[keras.Variable]) -> None:
        """Writes weights into their averages, after they were changed by hand."""
        chosen = {id(weight) for weight in weights}
        for weight, shadow in self.pairs:
            if id(weight) in chosen:
                shadow.assign(tf.cast(weight.value, tf.float32))

    def update(self) -> None:
        """Moves the shadows towards the weights; called once per training step."""
        if self.decay is None:
            return
        decay = self.decay.factor(tf.cast(self._step.value, tf.float32))
        for weight, shadow in self.pairs:
            value = tf.cast(weight.value, tf.float32)
            if weight.trainable:
                value = shadow.value + (1.0 - decay) * (value - shadow.value)
            shadow.assign(value)

    def standing_in(self) -> keras.StatelessScope:
        """A scope in which networks read the average, and nothing is assigned.

        Unlike `applied` it works inside a graph, which keeps what was read: an export,
        or a network that is called with both.
        """
        averages = [
            (weight, tf.convert_to_tensor(shadow.value))
            for weight, shadow in self.pairs
        ]
        return keras.StatelessScope(state_mapping=averages)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Puts the average in place of the weights, and always takes it back."""
        if self._depth or self.decay is None:
            yield
            return
        raw = [tf.identity(weight.value) for weight in self._weights]
        self._depth += 1
        try:
            for weight, shadow in self.pairs:
                weight.assign(tf.cast(shadow.value, weight.dtype))
            yield
        finally:
            for weight, value in zip(self._weights, raw, strict=True):
                weight.assign(value)
            self._depth -= 1
