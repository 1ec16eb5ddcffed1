"""The adapters of a linear layer: what they add to its outputs, or to its kernel."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgenai.layers.adapters.change import Change
from tfgenai.layers.adapters.kind import Kind, Shape
from tfgenai.layers.adapters.kinds import kind_of
from tfgenai.layers.adapters.layer_adapters import LayerAdapters, adapters_of
from tfgenai.layers.adapters.low_rank import LowRank
from tfgenai.layers.adapters.options import AdapterOptions, IA3Options, Options
from tfgenai.layers.adapters.rows import current_rows
from tfgenai.layers.adapters.scaling import Scaling
from tfgenai.layers.adapters.stacks import Row, adapt_rows, make_stacks

_CHANGES: dict[type, type[Change]] = {AdapterOptions: LowRank, IA3Options: Scaling}


@keras.saving.register_keras_serializable("tfgenai")
class KernelAdapters(LayerAdapters):
    """Low-rank additions to the kernel of one layer, and scales of it, by name."""

    @staticmethod
    def shapes(layer: Any, options: Options) -> dict[str, Shape] | None:
        """Those of the adapter's method."""
        change = _CHANGES.get(type(options))
        return None if change is None else change.shapes(_kind(layer), layer, options)

    def initializers(self, layer: Any, options: Options, seed: int) -> dict[str, Any]:
        """Those of the adapter's method."""
        change, base = _CHANGES[type(options)], self.base_kernel(layer)
        return change.initializers(_kind(layer), layer, options, seed, base)

    # ---- the sum -------------------------------------------------------------

    def kernel(self, layer: Any) -> keras.Variable:
        """The variable that adapters add to."""
        return _kind(layer).kernel(layer)

    def base_kernel(self, layer: Any) -> tf.Tensor:
        """The kernel without any adapter, float32."""
        kernel = self.kept if self.is_merged else self.kernel(layer)
        return tf.cast(kernel.value, tf.float32)

    def kernel_delta(self, layer: Any, active: Mapping[str, float]) -> tf.Tensor:
        """What weighted adapters add to the kernel, float32, shaped like it."""
        total = tf.zeros_like(self.base_kernel(layer))
        for name, weight in active.items():
            total += weight * self._change(layer, name).kernel_delta()
        return total

    def adapt(self, layer: Any, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """The layer's linear part with what adapters add to it.

        Args:
            layer: the layer that this stands in.
            x: what it was called with.
            y: its linear part, before bias and activation.

        Returns:
            Tensor like `y`.
        """
        rows = current_rows()
        if rows is not None and self.stacks is not None:
            return adapt_rows(_kind(layer), layer, x, y, rows, self.stacks)
        if not self.acts:
            return y
        changes = {name: self._change(layer, name) for name in self.active}
        if all(isinstance(c, Scaling) and c.scales_inputs for c in changes.values()):
            return self._of_scaled(layer, x, changes)
        total = y
        for name, weight in self.active.items():
            delta = changes[name].delta(x, y)
            total += delta if weight == 1.0 else tf.cast(weight, y.dtype) * delta
        return total

    def _of_scaled(
        self, layer: Any, x: tf.Tensor, changes: Mapping[str, Any]
    ) -> tf.Tensor:
        """The sum where all scale inputs: one product, for which a graph drops `y`."""
        gain = tf.add_n([w * changes[name].change() for name, w in self.active.items()])
        kind, dtype = _kind(layer), layer.compute_dtype
        return kind.linear(layer, tf.cast(x, dtype) * tf.cast(1.0 + gain, dtype))

    def _change(self, layer: Any, name: str) -> Change:
        options = self.options[name]
        return _CHANGES[type(options)](
            kind=_kind(layer),
            layer=layer,
            options=options,
            parts=self.parts(name),
            base=lambda: self.base_kernel(layer),
        )

    # ---- merged --------------------------------------------------------------

    @property
    def can_merge(self) -> bool:
        """Always."""
        return True

    def kept_pairs(self, layer: Any) -> list[tuple[keras.Variable, keras.Variable]]:
        """The kernel and what is kept of it, and the bias where adapters change it."""
        if not self.is_merged:
            return []
        pairs = [(self.kernel(layer), self.kept)]
        if hasattr(self, "kept_bias"):
            pairs.append((layer.bias, self.kept_bias))
        return pairs

    def keep_base(self, layer: Any) -> None:
        """Makes room for the base kernel, which is kept to the bit while merged."""
        self.kept = self._room("kept", self.kernel(layer))
        if self._bias_deltas(layer):
            self.kept_bias = self._room("kept_bias", layer.bias)
        self.is_merged = True

    def _room(self, name: str, like: keras.Variable) -> keras.Variable:
        return self.new_weight(
            name, shape=like.shape, dtype=like.dtype, trainable=False
        )

    def merge(self, layer: Any) -> None:
        """Writes the kernel, and the bias, with what the active adapters add."""
        deltas = [self.kernel_delta(layer, self.active)]
        if changes := self._bias_deltas(layer):
            deltas.append(tf.add_n(changes))
        self.keep_base(layer)
        for (variable, kept), delta in zip(self.kept_pairs(layer), deltas, strict=True):
            kept.assign(variable.value)
            whole = tf.cast(variable.value, tf.float32) + delta
            variable.assign(tf.cast(whole, variable.dtype))

    def _bias_deltas(self, layer: Any) -> list[tf.Tensor]:
        pairs = [
            (weight, self._change(layer, name).bias_delta())
            for name, weight in self.active.items()
        ]
        return [weight * delta for weight, delta in pairs if delta is not None]

    def unmerge(self, layer: Any) -> None:
        """Writes the base kernel and bias back."""
        for variable, kept in self.kept_pairs(layer):
            variable.assign(kept.value)
            self.untrack(kept)
        for name in ("kept", "kept_bias"):
            if hasattr(self, name):
                delattr(self, name)
        self.is_merged = False

    # ---- an adapter for each row ---------------------------------------------

    def stack(self, layer: Any, names: Sequence[str]) -> None:
        """See the base class."""
        kind = _kind(layer)
        kind.check_rows(layer)
        rows = [
            self._change(layer, name).row() if name in self.options else Row()
            for name in names
        ]
        self.stacks = make_stacks(kind, layer, rows)


def adapt(layer: Any, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """`y` with what the adapters of `layer` add, for code that reads its kernel."""
    found = adapters_of(layer)
    return found.adapt(layer, x, y) if isinstance(found, KernelAdapters) else y


def adapted_call(
    layer: Any, inputs: tf.Tensor, training: bool | None = None
) -> tf.Tensor:
    """What a layer with adapters is called by in place of its own `call`."""
    if not layer.adapters.acts:
        return type(layer).call(layer, inputs)
    kind = _kind(layer)
    y = kind.linear(layer, inputs)
    return kind.finish(layer, layer.adapters.adapt(layer, inputs, y))


def _kind(layer: Any) -> Kind:
    # `call` is now the instance's own; the kind goes by its class.
    kind = kind_of(layer)
    if kind is None:
        raise TypeError(
            "A Dense, EinsumDense, Embedding or convolution layer was expected. "
            f"Received: {layer.name!r}, a {type(layer).__name__}."
        )
    return kind
