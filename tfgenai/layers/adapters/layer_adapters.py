"""The adapters of one layer: their weights, which of them act, and what they add."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tfgenai.layers.adapters.kind import Kind
from tfgenai.layers.adapters.kinds import kind_of
from tfgenai.layers.adapters.options import AdapterOptions
from tfgenai.layers.adapters.rows import current_rows
from tfgenai.layers.shapes import reshape, sizes


class Stacks(NamedTuple):
    """Several adapters beside each other, of which each row chooses one.

    Args:
        a: what the kind's `stack` made of all A, zeros first.
        b: `(adapters + 1, *B)`, scaled, zeros first.
        gain: `(adapters + 1, *outputs)`, what DoRA multiplies outputs by, or None.
    """

    a: tf.Variable
    b: tf.Variable
    gain: tf.Variable | None


@keras.saving.register_keras_serializable("tfgenai")
class LayerAdapters(keras.layers.Layer):
    """Low-rank additions to the kernel of one layer, by name.

    It stands in the layer as `layer.adapters`; `attach` puts it there. Its weights are
    kept in float32.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.options: dict[str, AdapterOptions] = {}
        self.active: dict[str, float] = {}
        self.is_merged = False
        self.stacks: Stacks | None = None
        self.built = True

    # ---- weights -------------------------------------------------------------

    def add(self, layer: Any, options: AdapterOptions, seed: int) -> None:
        """Makes the weights of a new adapter, which adds nothing yet.

        Args:
            layer: the layer that this stands in.
            options: its name, rank and scale.
            seed: seed of A; B begins at zero.
        """
        kind = _kind(layer)
        a_shape, b_shape = kind.shapes(layer, options.rank)
        # The authors' code: uniform within 1 / √fan-in.
        bound = kind.fan_in(layer) ** -0.5
        uniform = keras.initializers.RandomUniform(-bound, bound, seed=seed)
        self._add(options.name, "a", a_shape, uniform)
        self._add(options.name, "b", b_shape, "zeros")
        if options.use_dora:
            lengths = tf.sqrt(kind.squares(layer, self.base_kernel(layer)))
            magnitude = self._add(
                options.name, "magnitude", kind.output_shape(layer), "ones"
            )
            magnitude.assign(lengths)
        self.options[options.name] = options

    def _add(self, name: str, part: str, shape: Any, initializer: Any) -> Any:
        self._tracker.unlock()
        variable = self.add_weight(
            name=f"{name}_{part}",
            shape=shape,
            initializer=initializer,
            dtype="float32",
            autocast=False,
        )
        self._tracker.lock()
        setattr(self, _attribute(name, part), variable)
        return variable

    def parts(self, name: str) -> dict[str, keras.Variable]:
        """The weights of an adapter: `a`, `b`, and with DoRA `magnitude`."""
        parts = ("a", "b", "magnitude") if self.options[name].use_dora else ("a", "b")
        return {part: getattr(self, _attribute(name, part)) for part in parts}

    def remove(self, name: str) -> None:
        """Takes an adapter and its weights away."""
        for part, variable in self.parts(name).items():
            delattr(self, _attribute(name, part))
            if any(variable is each for each in self.weights):
                self._untrack_variable(variable)
        del self.options[name]
        self.active.pop(name, None)

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
        kind, base = _kind(layer), self.base_kernel(layer)
        total = tf.zeros_like(base)
        for name, weight in active.items():
            parts = {key: v.value for key, v in self.parts(name).items()}
            delta = self.options[name].scale * kind.product(
                layer, parts["a"], parts["b"]
            )
            if self.options[name].use_dora:
                gain = self._gain(layer, name)
                delta = kind.scaled_kernel(layer, base + delta, gain) - base
            total += weight * delta
        return total

    def _gain(self, layer: Any, name: str) -> tf.Tensor:
        """M / ‖W + ΔW‖, without a gradient of the lengths: DoRA, section 4.3."""
        kind, parts = _kind(layer), self.parts(name)
        a, b = parts["a"].value, parts["b"].value
        whole = self.base_kernel(layer) + self.options[name].scale * kind.product(
            layer, a, b
        )
        lengths = tf.stop_gradient(tf.sqrt(kind.squares(layer, whole)))
        return tf.math.divide_no_nan(parts["magnitude"].value, lengths)

    @property
    def acts(self) -> bool:
        """Whether anything is added where the graph is made now."""
        asks = current_rows() is not None and self.stacks is not None
        return asks or (bool(self.active) and not self.is_merged)

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
            return _adapt_rows(layer, x, y, rows, self.stacks)
        if not self.acts:
            return y
        total = y
        for name, weight in self.active.items():
            delta = self._delta(layer, x, y, name)
            total += delta if weight == 1.0 else tf.cast(weight, y.dtype) * delta
        return total

    def _delta(self, layer: Any, x: tf.Tensor, y: tf.Tensor, name: str) -> tf.Tensor:
        kind, parts, options = _kind(layer), self.parts(name), self.options[name]
        h = kind.down(layer, x, parts["a"].value)
        delta = kind.up(layer, h, parts["b"].value * options.scale)
        if not options.use_dora:
            return delta
        gain = tf.cast(self._gain(layer, name), y.dtype)
        return kind.gained(layer, y + delta, gain) - y

    # ---- merged --------------------------------------------------------------

    def keep_base(self, layer: Any) -> None:
        """Makes room for the base kernel, which is kept to the bit while merged."""
        kernel = self.kernel(layer)
        self._tracker.unlock()
        self.kept = self.add_weight(
            name="kept", shape=kernel.shape, dtype=kernel.dtype, trainable=False
        )
        self._tracker.lock()
        self.is_merged = True

    def merge(self, layer: Any) -> None:
        """Writes the kernel with what the active adapters add."""
        kernel = self.kernel(layer)
        base, delta = kernel.value, self.kernel_delta(layer, self.active)
        self.keep_base(layer)
        self.kept.assign(base)
        kernel.assign(tf.cast(tf.cast(base, tf.float32) + delta, kernel.dtype))

    def unmerge(self, layer: Any) -> None:
        """Writes the base kernel back."""
        self.kernel(layer).assign(self.kept.value)
        kept = self.kept
        del self.kept
        if any(kept is each for each in self.weights):
            self._untrack_variable(kept)
        self.is_merged = False

    # ---- an adapter for each row ---------------------------------------------

    def stack(self, layer: Any, names: Sequence[str]) -> None:
        """Puts adapters beside each other, so that each row can choose one.

        What is trained later does not change them.

        Args:
            layer: the layer that this stands in.
            names: adapters 1, 2, ...; those that the layer has not, add nothing.

        Raises:
            ValueError: if the rows of its outputs cannot be told apart.
        """
        kind = _kind(layer)
        kind.check_rows(layer)
        known = [self.options.get(name) for name in names]
        rank = max((each.rank for each in known if each is not None), default=1)
        shapes = kind.shapes(layer, rank)
        every_a, every_b = [tf.zeros(shapes[0])], [tf.zeros(shapes[1])]
        gains = [tf.ones(kind.output_shape(layer))] * (1 + len(names))
        for place, (name, options) in enumerate(zip(names, known, strict=True), 1):
            if options is None:
                every_a.append(every_a[0])
                every_b.append(every_b[0])
                continue
            parts = self.parts(name)
            every_a.append(_padded(parts["a"].value, shapes[0]))
            every_b.append(_padded(parts["b"].value * options.scale, shapes[1]))
            if options.use_dora:
                gains[place] = self._gain(layer, name)
        has_gain = any(each is not None and each.use_dora for each in known)
        self.stacks = Stacks(
            tf.Variable(kind.stack(every_a), trainable=False, name="stacked_a"),
            tf.Variable(tf.stack(every_b), trainable=False, name="stacked_b"),
            tf.Variable(tf.stack(gains), trainable=False) if has_gain else None,
        )

    def get_config(self) -> dict[str, Any]:
        """Nothing: adapters are made by whoever loads the model."""
        return super().get_config()


def attach(layer: Any) -> LayerAdapters:
    """The adapters of a layer, which from now on adds them; made if there are none.

    Args:
        layer: a built layer of a kind that `kind_of` knows.
    """
    if not hasattr(layer, "adapters"):
        layer._tracker.unlock()
        layer.adapters = LayerAdapters(name="adapters")
        layer._tracker.lock()
        layer.call = functools.partial(_adapted_call, layer)
    return layer.adapters


def adapters_of(layer: Any) -> LayerAdapters | None:
    """The adapters of a layer; None where there are none."""
    found = getattr(layer, "adapters", None)
    return found if isinstance(found, LayerAdapters) else None


def adapt(layer: Any, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """`y` with what the adapters of `layer` add, for code that reads its kernel."""
    found = adapters_of(layer)
    return y if found is None else found.adapt(layer, x, y)


def _adapted_call(
    layer: Any, inputs: tf.Tensor, training: bool | None = None
) -> tf.Tensor:
    if not layer.adapters.acts:
        return type(layer).call(layer, inputs)
    kind = _kind(layer)
    y = kind.linear(layer, inputs)
    return kind.finish(layer, layer.adapters.adapt(layer, inputs, y))


def _adapt_rows(
    layer: Any, x: tf.Tensor, y: tf.Tensor, rows: tf.Tensor, stacks: Stacks
) -> tf.Tensor:
    delta = _kind(layer).delta_rows(layer, x, stacks.a, stacks.b, rows)
    total = y + reshape(tf.cast(delta, y.dtype), sizes(y))
    if stacks.gain is None:
        return total
    # Several places of a row stand one after another; outputs are the last axes.
    gain = tf.cast(tf.gather(stacks.gain, rows), y.dtype)
    flat = tf.reshape(total, tf.stack([tf.shape(rows)[0], -1, *gain.shape[1:]]))
    return reshape(flat * gain[:, tf.newaxis], sizes(y))


def _kind(layer: Any) -> Kind:
    # `call` is now the instance's own; the kind goes by its class.
    kind = kind_of(layer)
    if kind is None:
        raise TypeError(
            "A Dense, EinsumDense, Embedding or convolution layer was expected. "
            f"Received: {layer.name!r}, a {type(layer).__name__}."
        )
    return kind


def _attribute(name: str, part: str) -> str:
    return f"{part}_of_{name}"


def _padded(value: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
    """With zeros up to the largest rank."""
    return tf.pad(
        value, [[0, n - now] for now, n in zip(value.shape, shape, strict=True)]
    )
