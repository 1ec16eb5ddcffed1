"""How an EinsumDense layer depends on its kernel."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

import math
from typing import Any

import tensorflow as tf

from tfgenai.layers.adapters.kind import Kind, Shape


class EinsumKind(Kind):
    """`keras.layers.EinsumDense`: A sums what the equation sums, B makes its outputs.

    In the equation `in,kernel->out`, A keeps the kernel's axes that are summed, and
    those that in and out share; B has the others.
    """

    def shapes(self, layer: Any, rank: int) -> tuple[Shape, Shape]:
        """Shapes of A and B."""
        lengths = self._lengths(layer)
        a, b = self._axes(layer)
        lengths["R"] = rank
        return tuple(lengths[i] for i in a), tuple(lengths[i] for i in b)

    def fan_in(self, layer: Any) -> int:
        """How many numbers are summed."""
        inputs, kernel, outputs = self._equation(layer)
        lengths = self._lengths(layer)
        return math.prod(lengths[i] for i in kernel if i in inputs and i not in outputs)

    def output_shape(self, layer: Any) -> Shape:
        """The kernel's axes in the output."""
        lengths = self._lengths(layer)
        return tuple(lengths[i] for i in self._output_axes(layer))

    def product(self, layer: Any, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """A B, shaped like the kernel."""
        _, kernel, _ = self._equation(layer)
        left, right = self._axes(layer)
        return tf.einsum(f"{left},{right}->{kernel}", a, b)

    def squares(self, layer: Any, kernel: tf.Tensor) -> tf.Tensor:
        """Sums of squares for each output."""
        _, labels, _ = self._equation(layer)
        equation = f"{labels}->{self._output_axes(layer)}"
        return tf.einsum(equation, tf.square(kernel))

    def scaled_kernel(
        self, layer: Any, kernel: tf.Tensor, gain: tf.Tensor
    ) -> tf.Tensor:
        """The kernel with each of its outputs times its gain."""
        _, labels, _ = self._equation(layer)
        return tf.einsum(f"{labels},{self._output_axes(layer)}->{labels}", kernel, gain)

    def linear(self, layer: Any, x: tf.Tensor) -> tf.Tensor:
        """The equation itself."""
        return tf.einsum(layer.equation, x, tf.convert_to_tensor(layer.kernel))

    def down(self, layer: Any, x: tf.Tensor, a: tf.Tensor) -> tf.Tensor:
        """The equation with A in the kernel's place."""
        inputs, _, _ = self._equation(layer)
        left, _ = self._axes(layer)
        a = tf.cast(a, x.dtype)
        return tf.einsum(f"{inputs},{left}->{self._middle(layer)}", x, a)

    def up(self, layer: Any, h: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """The sum over the rank."""
        _, _, outputs = self._equation(layer)
        _, right = self._axes(layer)
        b = tf.cast(b, h.dtype)
        return tf.einsum(f"{self._middle(layer)},{right}->{outputs}", h, b)

    def gained(self, layer: Any, y: tf.Tensor, gain: tf.Tensor) -> tf.Tensor:
        """Outputs, each times its gain."""
        _, _, outputs = self._equation(layer)
        return tf.einsum(f"{outputs},{self._output_axes(layer)}->{outputs}", y, gain)

    def finish(self, layer: Any, y: tf.Tensor) -> tf.Tensor:
        """Bias, of any shape, and activation."""
        if layer.bias is not None:
            y += tf.cast(tf.convert_to_tensor(layer.bias), y.dtype)
        return y if layer.activation is None else layer.activation(y)

    def delta_rows(
        self, layer: Any, x: tf.Tensor, a: tf.Tensor, b: tf.Tensor, rows: tf.Tensor
    ) -> tf.Tensor:
        """The equations with each row's own A and B."""
        inputs, _, outputs = self._equation(layer)
        left, right = self._axes(layer)
        row, middle = inputs[0], self._middle(layer)
        rows = tf.repeat(rows, tf.shape(x)[0] // tf.shape(rows)[0])
        own = tf.cast(tf.gather(a, rows), x.dtype)
        h = tf.einsum(f"{inputs},{row}{left}->{middle}", x, own)
        own = tf.cast(tf.gather(b, rows), x.dtype)
        return tf.einsum(f"{middle},{row}{right}->{outputs}", h, own)

    def check_rows(self, layer: Any) -> None:
        """Refuses equations in which rows or outputs do not stand where they must."""
        inputs, kernel, outputs = self._equation(layer)
        first, own = inputs[0], self._output_axes(layer)
        is_row = first == outputs[0] and first not in kernel and first != "."
        if not is_row or not outputs.endswith(own):
            raise ValueError(
                "An equation whose inputs and outputs begin with the batch, and whose "
                "outputs end with the kernel's axes in its order, was expected. "
                f"Received: equation={layer.equation!r} in {layer.name!r}. Leave the "
                "layer out of the adapter's targets, or export it merged."
            )

    def _equation(self, layer: Any) -> tuple[str, str, str]:
        left, outputs = layer.equation.replace(" ", "").split("->")
        inputs, kernel = left.split(",")
        return inputs, kernel, outputs

    def _axes(self, layer: Any) -> tuple[str, str]:
        """Axes of A and of B; `R` is the rank's, and no equation of Keras has it."""
        inputs, kernel, outputs = self._equation(layer)
        shared = "".join(i for i in kernel if i in inputs and i in outputs)
        summed = "".join(i for i in kernel if i in inputs and i not in outputs)
        own = "".join(i for i in kernel if i not in inputs)
        return f"{shared}{summed}R", f"{shared}R{own}"

    def _middle(self, layer: Any) -> str:
        inputs, kernel, outputs = self._equation(layer)
        summed = [i for i in kernel if i in inputs and i not in outputs]
        return "".join(i for i in inputs if i not in summed) + "R"

    def _output_axes(self, layer: Any) -> str:
        _, kernel, outputs = self._equation(layer)
        return "".join(i for i in kernel if i in outputs)

    def _lengths(self, layer: Any) -> dict[str, int]:
        _, kernel, _ = self._equation(layer)
        return dict(zip(kernel, layer.kernel.shape, strict=True))
