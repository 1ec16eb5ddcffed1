"""Attention of tokens to those before them, over whole sequences or with a cache."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tfgenai.layers.adapters import adapt, adapters_of, attend_prefix
from tfgenai.layers.attention import rms_norm
from tfgenai.layers.causal_mask import Visibility
from tfgenai.layers.dropout import SeededDropout
from tfgenai.layers.initializers import Initializers
from tfgenai.layers.rotary import rotary_angles, rotate
from tfgenai.layers.shapes import map_rows, reshape, sizes

# Not -inf: a token that sees nothing, such as padding, has an even softmax, not NaN.
_UNSEEN = -1e9


class KeyValues(NamedTuple):
    """Keys and values of the tokens so far, one slot a position.

    Args:
        keys: float `(batch, num_key_value_heads, slots, head_dim)`.
        values: likewise.
    """

    keys: tf.Tensor
    values: tf.Tensor


class _Queries(NamedTuple):
    """Queries for keys with a position, and for a prefix, which has none.

    Args:
        rotated: float `(batch, num_heads, tokens, head_dim)`.
        straight: likewise, before any rotation.
    """

    rotated: tf.Tensor
    straight: tf.Tensor


@keras.saving.register_keras_serializable("tfgenai")
class CausalAttention(keras.layers.Layer):
    """softmax(Q Kᵀ / √d) V of what a token may see, in several heads.

    Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762, section 3.2.3,
    with options: rotary positions (Su et al. 2021, arXiv:2104.09864), keys and values
    shared by groups of heads (Ainslie et al. 2023, "GQA", arXiv:2305.13245, section
    2.2) and normalised queries and keys (Henry et al. 2020, "Query-Key Normalization
    for Transformers", arXiv:2010.04245, with a root mean square as in
    `MultiHeadAttention`). Softmax and norms are computed in float32.

    Args:
        num_heads: number of heads of the queries.
        num_key_value_heads: number of heads of keys and values; divides `num_heads`;
            None for as many.
        head_dim: length of a head; None for the tokens' last axis over the heads.
        use_bias: whether the linear layers have a bias.
        rotary_base: base of rotary positions, or None for none.
        use_qk_norm: whether queries and keys are normalised.
        dropout: share of the attention weights set to zero in training, in [0, 1).
        init_stddev: standard deviation of the initial weights.
        output_init_stddev: that of the last linear layer; None for `init_stddev`.
        norm_epsilon: what keeps the norms of queries and keys from dividing by zero.
        seed: seed of the initial weights.

    Call arguments:
        x: float `(batch, tokens, dim)`.
        visibility: a `Visibility`, over the tokens themselves.
        training: whether dropout is on.

    Returns:
        Tensor like `x`.

    Raises:
        ValueError: if the heads do not fit `dim` or each other.

    Example:
        >>> from tfgenai.layers.causal_mask import causal_visibility
        >>> seen = causal_visibility(tf.zeros((2, 5), tf.int32))
        >>> CausalAttention(4)(tf.ones((2, 5, 64)), seen).shape
        TensorShape([2, 5, 64])
    """

    takes_prefix = True  # see `layers.adapters.PrefixAdapters`

    def __init__(
        self,
        num_heads: int,
        *,
        num_key_value_heads: int | None = None,
        head_dim: int | None = None,
        use_bias: bool = True,
        rotary_base: float | None = None,
        use_qk_norm: bool = False,
        dropout: float = 0.0,
        init_stddev: float = 0.02,
        output_init_stddev: float | None = None,
        norm_epsilon: float = 1e-6,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        groups = num_heads if num_key_value_heads is None else num_key_value_heads
        if num_heads < 1 or groups < 1 or num_heads % groups:
            raise ValueError(
                "A number of heads, and a divisor of it as the number of key and value "
                f"heads, were expected. Received: num_heads={num_heads}, "
                f"num_key_value_heads={num_key_value_heads}. Leave the second out."
            )
        self.num_heads = num_heads
        self.num_key_value_heads = num_key_value_heads
        self.head_dim = head_dim
        self.use_bias = use_bias
        self.rotary_base = rotary_base
        self.use_qk_norm = use_qk_norm
        self.dropout = dropout
        self.init_stddev = init_stddev
        self.output_init_stddev = output_init_stddev
        self.norm_epsilon = norm_epsilon
        self.seed = seed
        self._groups = groups
        self._dropout = SeededDropout(dropout, dtype=self.dtype_policy)

    def build(self, x_shape: Any, visibility_shape: Any = None) -> None:
        """Makes the weights from the tokens' last axis."""
        dim, new = x_shape[-1], Initializers(self.seed)
        if self.head_dim is None and dim % self.num_heads:
            raise ValueError(
                "A number of heads that divides the tokens' last axis was expected. "
                f"Received: num_heads={self.num_heads}, dim={dim}. "
                f"Use one of {[n for n in range(1, dim + 1) if dim % n == 0][:8]}."
            )
        self._size = self.head_dim or dim // self.num_heads
        if self.rotary_base is not None and self._size % 2:
            raise ValueError(
                "Heads of even length were expected with rotary positions. Received: "
                f"head_dim={self._size}. Use another number of heads."
            )
        inner, shared = self.num_heads * self._size, self._groups * self._size
        last = self.init_stddev
        if self.output_init_stddev is not None:
            last = self.output_init_stddev
        # Three matrices and not one: optimizers such as Muon and adapters such as LoRA
        # treat each by itself. They are joined before they are multiplied.
        for name, in_dim, out_dim, stddev in (
            ("query", dim, inner, self.init_stddev),
            ("key", dim, shared, self.init_stddev),
            ("value", dim, shared, self.init_stddev),
            ("projection", inner, dim, last),
        ):
            setattr(self, name, self._linear(name, in_dim, out_dim, new.normal(stddev)))
        if self.use_qk_norm:
            self.query_scale, self.key_scale = (
                self.add_weight(name=name, shape=(self._size,), initializer="ones")
                for name in ("query_scale", "key_scale")
            )
        self.built = True

    def call(
        self, x: tf.Tensor, visibility: Visibility, training: bool = False
    ) -> tf.Tensor:
        """Attends among the tokens of `x`."""
        queries, key, value = self._project(x, visibility, self.fused())
        merged = self._attend(queries, key, value, visibility.mask, training)
        return map_rows(self.projection, merged)

    def fused(self) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Kernel and bias of queries, keys and values side by side.

        A loop over tokens makes them once, before it starts.
        """
        layers = (self.query, self.key, self.value)
        kernels = [tf.cast(each.kernel, self.compute_dtype) for each in layers]
        if not self.use_bias:
            return tf.concat(kernels, axis=1), None
        biases = [tf.cast(each.bias, self.compute_dtype) for each in layers]
        return tf.concat(kernels, axis=1), tf.concat(biases, axis=0)

    def extend(
        self,
        x: tf.Tensor,
        visibility: Visibility,
        cache: KeyValues,
        slots: tf.Tensor,
        fused: tuple[tf.Tensor, tf.Tensor | None],
    ) -> tuple[tf.Tensor, KeyValues]:
        """Attends from new tokens to all in the cache, which they join first.

        Args:
            x: float `(batch, tokens, dim)`, new tokens.
            visibility: over the slots of the cache.
            cache: keys and values so far.
            slots: where the new tokens go, from `cache_slots`.
            fused: what `fused` returned.

        Returns:
            Tensor like `x`, and the cache with the new tokens in it.
        """
        queries, key, value = self._project(x, visibility, fused)
        # A loop keeps the shapes it was entered with; those of an update are too vague.
        cache = KeyValues(
            *(
                tf.ensure_shape(tf.tensor_scatter_nd_update(old, slots, new), old.shape)
                for old, new in zip(cache, (key, value), strict=True)
            )
        )
        merged = self._attend(queries, cache.keys, cache.values, visibility.mask, False)
        return map_rows(self.projection, merged), cache

    def empty_cache(self, batch: tf.Tensor, num_slots: int) -> KeyValues:
        """A cache for `batch` rows in which nothing is seen yet."""
        shape = self.key_value_shape(num_slots)
        zeros = tf.zeros(tf.stack([batch, *shape]), self.compute_dtype)
        zeros = tf.ensure_shape(zeros, (None, *shape))
        return KeyValues(zeros, zeros)

    def key_value_shape(self, num_slots: int) -> tuple[int, int, int]:
        """Shape of so many keys, or values."""
        return self._groups, num_slots, self._size

    def cache_slots(self, positions: tf.Tensor) -> tf.Tensor:
        """Where new tokens go in a cache.

        Args:
            positions: int32 `(batch, tokens)`.

        Returns:
            int32 `(batch, num_key_value_heads, tokens, 3)`.
        """
        batch, tokens = tf.unstack(tf.shape(positions))
        rows = tf.range(batch)[:, tf.newaxis, tf.newaxis]
        heads = tf.range(self._groups)[tf.newaxis, :, tf.newaxis]
        shape = tf.stack([batch, self._groups, tokens])
        return tf.stack(
            [
                tf.broadcast_to(part, shape)
                for part in (rows, heads, positions[:, tf.newaxis])
            ],
            axis=-1,
        )

    def _project(
        self,
        x: tf.Tensor,
        visibility: Visibility,
        fused: tuple[tf.Tensor, tf.Tensor | None],
    ) -> tuple[_Queries, tf.Tensor, tf.Tensor]:
        """Queries, keys and values, `(batch, heads, tokens, head_dim)`."""
        kernel, bias = fused
        batch, tokens, _ = sizes(x)
        inputs = tf.reshape(tf.cast(x, self.compute_dtype), (-1, x.shape[-1]))
        rows = self._adapted(inputs, tf.matmul(inputs, kernel))
        if bias is not None:
            rows = tf.nn.bias_add(rows, bias)
        heads = self.num_heads + 2 * self._groups
        joined = _swap_tokens_and_heads(
            reshape(rows, [batch, tokens, heads, self._size])
        )
        query, key, value = tf.split(
            joined, [self.num_heads, self._groups, self._groups], axis=1
        )
        if self.use_qk_norm:
            query = rms_norm(query, self.query_scale, self.norm_epsilon)
            key = rms_norm(key, self.key_scale, self.norm_epsilon)
        straight = query
        if self.rotary_base is not None:
            angles = rotary_angles(visibility.positions, self._size, self.rotary_base)
            query, key = rotate(query, angles), rotate(key, angles)
        return _Queries(query, straight), key, value

    def _adapted(self, inputs: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Queries, keys and values side by side, with what their adapters add."""
        layers = (self.query, self.key, self.value)
        found = [adapters_of(layer) for layer in layers]
        if not any(each is not None and each.acts for each in found):
            return rows
        parts = tf.split(rows, [layer.units for layer in layers], axis=1)
        pairs = zip(layers, parts, strict=True)
        return tf.concat([adapt(layer, inputs, y) for layer, y in pairs], axis=1)

    def _attend(
        self,
        queries: _Queries,
        key: tf.Tensor,
        value: tf.Tensor,
        mask: tf.Tensor,
        training: bool,
    ) -> tf.Tensor:
        query = queries.rotated
        batch, _, tokens, _ = sizes(query)
        # Scaling the queries is cheaper than scaling the logits, and keeps half
        # precision from overflowing.
        query = query * tf.cast(self._size**-0.5, query.dtype)
        # The heads of a group stand below each other as rows of one product.
        rows = self.num_heads // self._groups * tokens
        if self._groups < self.num_heads:
            query = reshape(query, [batch, self._groups, rows, self._size])
        logits = tf.cast(tf.matmul(query, key, transpose_b=True), tf.float32)
        keys = sizes(key)[2]
        if self._groups < self.num_heads:
            logits = reshape(logits, [batch, self.num_heads, tokens, keys])
        logits = tf.where(mask, logits, _UNSEEN)
        weights = tf.nn.softmax(logits)
        weights = self._dropout(tf.cast(weights, value.dtype), training=training)
        if self._groups < self.num_heads:
            weights = reshape(weights, [batch, self._groups, rows, keys])
        heads = tf.matmul(weights, value)
        if self._groups < self.num_heads:
            heads = reshape(heads, [batch, self.num_heads, tokens, self._size])
        heads = attend_prefix(self, queries.straight, heads, logits)
        return reshape(
            _swap_tokens_and_heads(heads),
            [batch, tokens, self.num_heads * self._size],
        )

    def compute_output_shape(self, x_shape: Any, *_: Any) -> Any:
        """The tokens' shape."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "use_bias": self.use_bias,
            "rotary_base": self.rotary_base,
            "use_qk_norm": self.use_qk_norm,
            "dropout": self.dropout,
            "init_stddev": self.init_stddev,
            "output_init_stddev": self.output_init_stddev,
            "norm_epsilon": self.norm_epsilon,
            "seed": self.seed,
        }

    def _linear(
        self, name: str, in_dim: int, out_dim: int, initializer: Any
    ) -> keras.layers.Dense:
        layer = keras.layers.Dense(
            out_dim,
            use_bias=self.use_bias,
            kernel_initializer=initializer,
            name=name,
            dtype=self.dtype_policy,
        )
        layer.build((None, in_dim))
        return layer


def _swap_tokens_and_heads(x: tf.Tensor) -> tf.Tensor:
    """`(batch, tokens, heads, head_dim)` to `(batch, heads, tokens, ...)`, and back."""
    first, second = x.shape[1:3]
    if 1 in (first, second):  # nothing moves in memory
        batch, first, second, size = sizes(x)
        return reshape(x, [batch, second, first, size])
    return tf.transpose(x, (0, 2, 1, 3))
