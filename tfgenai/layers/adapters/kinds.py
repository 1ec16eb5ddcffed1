"""The kinds of layers that take adapters."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from typing import Any

import keras
import tensorflow as tf

from tfgenai.layers.adapters.einsum_kind import EinsumKind
from tfgenai.layers.adapters.kind import Kind, Shape, matmul


class DenseKind(Kind):
    """`keras.layers.Dense`."""

    def down(self, layer: Any, x: tf.Tensor, a: tf.Tensor) -> tf.Tensor:
        """X A."""
        return matmul(x, a)

    def delta_rows(
        self, layer: Any, x: tf.Tensor, a: tf.Tensor, b: tf.Tensor, rows: tf.Tensor
    ) -> tf.Tensor:
        """X A B of each row."""
        x = _split_rows(x, rows, x.shape[-1])
        return _own_product(_own_product(x, a, rows), b, rows)


class EmbeddingKind(Kind):
    """`keras.layers.Embedding`: A is looked up."""

    def kernel(self, layer: Any) -> keras.Variable:
        """The table."""
        return layer.embeddings

    def fan_in(self, layer: Any) -> int:
        """A row is looked up, not summed."""
        return 1

    def down(self, layer: Any, x: tf.Tensor, a: tf.Tensor) -> tf.Tensor:
        """Rows of A."""
        return tf.cast(tf.gather(a, tf.cast(x, tf.int32)), layer.compute_dtype)

    def finish(self, layer: Any, y: tf.Tensor) -> tf.Tensor:
        """Nothing follows."""
        return y

    def delta_rows(
        self, layer: Any, x: tf.Tensor, a: tf.Tensor, b: tf.Tensor, rows: tf.Tensor
    ) -> tf.Tensor:
        """Rows of each row's A, and the product with its B."""
        ids = _split_rows(tf.cast(x, tf.int32), rows)
        which = tf.broadcast_to(rows[:, tf.newaxis], tf.shape(ids))
        found = tf.gather_nd(a, tf.stack([which, ids], -1))
        return _own_product(tf.cast(found, layer.compute_dtype), b, rows)


class ConvKind(Kind):
    """Convolutions: A is one with `rank` channels, B mixes them at each place.

    For each row, those of all adapters are computed and one is kept.
    """

    def down(self, layer: Any, x: tf.Tensor, a: tf.Tensor) -> tf.Tensor:
        """The convolution with A."""
        return layer.convolution_op(x, tf.cast(a, x.dtype))

    def stack(self, values: list[Any]) -> Any:
        """All A beside each other, as one kernel."""
        return tf.concat(values, axis=-1)

    def delta_rows(
        self, layer: Any, x: tf.Tensor, a: tf.Tensor, b: tf.Tensor, rows: tf.Tensor
    ) -> tf.Tensor:
        """The convolution with all A, of which each row keeps its own, and its B."""
        every = self.down(layer, x, a)
        rank = b.shape[1]
        every = tf.reshape(
            every, tf.stack([tf.shape(rows)[0], -1, every.shape[-1] // rank, rank])
        )
        # Places of several images of a row stand one after another.
        own = tf.gather(tf.transpose(every, (0, 2, 1, 3)), rows, batch_dims=1)
        return _own_product(own, b, rows)


class ConvTransposeKind(ConvKind):
    """Transposed convolutions, whose kernels have the inputs last."""

    def shapes(self, layer: Any, rank: int) -> tuple[Shape, Shape]:
        """Shapes of A and B."""
        *sides, outputs, inputs = self.kernel(layer).shape
        return (*sides, rank, inputs), (rank, outputs)

    def product(self, layer: Any, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """A B, shaped like the kernel."""
        return tf.einsum("...ri,ro->...oi", a, b)

    def squares(self, layer: Any, kernel: tf.Tensor) -> tf.Tensor:
        """Sums of squares for each output."""
        axes = [i for i in range(kernel.shape.rank) if i != kernel.shape.rank - 2]
        return tf.reduce_sum(tf.square(kernel), axis=axes)

    def scaled_kernel(
        self, layer: Any, kernel: tf.Tensor, gain: tf.Tensor
    ) -> tf.Tensor:
        """The kernel with each of its outputs times its gain."""
        return kernel * gain[:, tf.newaxis]

    def down(self, layer: Any, x: tf.Tensor, a: tf.Tensor) -> tf.Tensor:
        """The transposed convolution with A."""
        return keras.ops.conv_transpose(
            x,
            tf.cast(a, x.dtype),
            strides=list(layer.strides),
            padding=layer.padding,
            output_padding=layer.output_padding,
            dilation_rate=layer.dilation_rate,
        )

    def stack(self, values: list[Any]) -> Any:
        """All A beside each other, as one kernel."""
        return tf.concat(values, axis=-2)


def _split_rows(x: tf.Tensor, rows: tf.Tensor, *last: int) -> tf.Tensor:
    """`(rows, places, ...)`, from a batch with several places a row."""
    return tf.reshape(x, tf.stack([tf.shape(rows)[0], -1, *last]))


def _own_product(h: tf.Tensor, stacked: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """The product of each row `(places, n)` with its own matrix `(n, m)`."""
    return tf.matmul(h, tf.cast(tf.gather(stacked, rows), h.dtype))


_DENSE, _EMBEDDING, _CONV = DenseKind(), EmbeddingKind(), ConvKind()
_TRANSPOSE, _EINSUM = ConvTransposeKind(), EinsumKind()
_BY_CALL: dict[Any, Kind] = {
    keras.layers.Dense.call: _DENSE,
    keras.layers.EinsumDense.call: _EINSUM,
    keras.layers.Embedding.call: _EMBEDDING,
    keras.layers.Conv1D.call: _CONV,
    keras.layers.Conv2D.call: _CONV,
    keras.layers.Conv2DTranspose.call: _TRANSPOSE,
}


def kind_of(layer: keras.layers.Layer) -> Kind | None:
    """What is known of a layer; None where an adapter cannot be added.

    A layer of one's own takes one if it has `convolution_op(x, kernel)`, `kernel`,
    `bias`, `use_bias` and `activation`, as Keras's convolutions do, and says so by
    `takes_adapters = True`. A subclass with a `call` of its own is none of the known.
    """
    if getattr(layer, "takes_adapters", False):
        return _CONV
    kind = _BY_CALL.get(type(layer).call)
    if kind is None or getattr(layer, "quantization_mode", None) is not None:
        return None
    if isinstance(kind, ConvKind) and (
        getattr(layer, "groups", 1) != 1
        or layer.data_format != "channels_last"
        or layer.padding == "causal"
    ):
        return None
    return kind
