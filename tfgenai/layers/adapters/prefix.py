"""Prefixes of an attention layer: keys and values that are trained, behind a gate."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tfgenai.layers.adapters.kind import Shape
from tfgenai.layers.adapters.layer_adapters import LayerAdapters, adapters_of
from tfgenai.layers.adapters.options import Options, PrefixOptions
from tfgenai.layers.adapters.rows import current_rows
from tfgenai.layers.shapes import reshape, sizes

_STDDEV = 0.02
_UNSEEN = -1e9


class Prefix(NamedTuple):
    """Keys and values that every query sees.

    Args:
        keys: float32 `(batch or 1, num_key_value_heads, prefix_tokens, head_dim)`.
        values: likewise.
        gate: float32 `(batch or 1, num_heads)`.
        is_there: bool `(batch or 1, prefix_tokens)`; None where all are.
    """

    keys: tf.Tensor
    values: tf.Tensor
    gate: tf.Tensor
    is_there: tf.Tensor | None = None


@keras.saving.register_keras_serializable("tfgenai")
class PrefixAdapters(LayerAdapters):
    """Trained keys P_k and values P_v in front of those of an attention layer, by name.

    Li & Liang 2021, "Prefix-Tuning: Optimizing Continuous Prompts for Generation",
    arXiv:2101.00190, section 4, without the reparametrisation of section 4.3. With q a
    query, A = softmax(q [P_k; K]ᵀ / √d) [P_v; V] is an average of what is seen of the
    prefix and of the tokens (He et al. 2022, "Towards a Unified View of
    Parameter-Efficient Transfer Learning", arXiv:2110.04366, equation 7):

        A = (1 - λ) softmax(q Kᵀ / √d) V + λ softmax(q P_kᵀ / √d) P_v,
        λ = Σ exp(q P_kᵀ / √d) / Σ exp(q [P_k; K]ᵀ / √d).

    Here λ is multiplied by a gate for each head that is trained, too, and begins at
    zero, so that nothing changes yet (as in Zhang et al. 2023, "LLaMA-Adapter",
    arXiv:2303.16199, section 3.2); at a gate of one it is the equation above. A gate is
    the same as (1 - gate) times the head without the prefix plus gate times the head
    with it.

    A prefix has no position: queries meet it without their rotation, every query sees
    all of it, and tokens have the positions that they have without. Attention weights
    of a prefix are not dropped out.
    """

    @staticmethod
    def shapes(layer: Any, options: Options) -> dict[str, Shape] | None:
        """Keys and values of each head that has its own, and a gate of each head."""
        if not isinstance(options, PrefixOptions):
            return None
        shape = layer.key_value_shape(options.num_prefix_tokens)
        return {"keys": shape, "values": shape, "gate": (layer.num_heads,)}

    def initializers(self, layer: Any, options: Options, seed: int) -> dict[str, Any]:
        """Small ones and a closed gate."""
        keys, values = (
            keras.initializers.RandomNormal(stddev=_STDDEV, seed=each)
            for each in (seed, seed + 1)
        )
        return {"keys": keys, "values": values, "gate": "zeros"}

    def attend(
        self, query: tf.Tensor, heads: tf.Tensor, logits: tf.Tensor
    ) -> tf.Tensor:
        """What heads see with the prefixes that act.

        Args:
            query: float `(batch, num_heads, tokens, head_dim)`, not rotated.
            heads: tensor like `query`, what was seen of the tokens.
            logits: float32 `(batch, num_heads, tokens, keys)`, masked, of the tokens.

        Returns:
            Tensor like `heads`.
        """
        seen = tf.reduce_logsumexp(logits, axis=-1)
        total = heads
        for prefix in self._acting(query):
            total += _difference(query, heads, seen, prefix)
        return total

    def _acting(self, query: tf.Tensor) -> Iterator[Prefix]:
        rows = current_rows()
        if rows is not None and self.stacks is not None:
            rows = tf.repeat(rows, tf.shape(query)[0] // tf.shape(rows)[0])
            yield Prefix(*(tf.gather(stack, rows) for stack in self.stacks))
            return
        for name, weight in self.active.items():
            keys, values, gate = (
                v.value[tf.newaxis] for v in self.parts(name).values()
            )
            yield Prefix(keys, values, weight * gate)

    def stack(self, layer: Any, names: Sequence[str]) -> None:
        """See the base class; shorter prefixes are filled up with what nobody sees."""
        known = [self.options.get(name) for name in names]
        lengths = [0 if each is None else each.num_prefix_tokens for each in known]
        longest = max([1, *lengths])
        nothing = tf.zeros(layer.key_value_shape(longest))
        keys, values, gates = [nothing], [nothing], [tf.zeros(layer.num_heads)]
        for name, length in zip(names, lengths, strict=True):
            if not length:
                keys.append(nothing)
                values.append(nothing)
                gates.append(gates[0])
                continue
            parts = [variable.value for variable in self.parts(name).values()]
            fill = [[0, 0], [0, longest - length], [0, 0]]
            keys.append(tf.pad(parts[0], fill))
            values.append(tf.pad(parts[1], fill))
            gates.append(parts[2])
        is_there = tf.sequence_mask([0, *lengths], longest)
        self.stacks = Prefix(
            *(
                tf.Variable(tf.stack(each), trainable=False, name=f"stacked_{name}")
                for name, each in zip(
                    Prefix._fields, (keys, values, gates, is_there), strict=True
                )
            )
        )


def _difference(
    query: tf.Tensor, heads: tf.Tensor, seen: tf.Tensor, prefix: Prefix
) -> tf.Tensor:
    """What a prefix changes: gate · λ · (softmax(q P_kᵀ / √d) P_v - heads)."""
    batch, num_heads, tokens, size = sizes(query)
    groups, length = prefix.keys.shape[1:3]
    # A product of matrices that broadcasts bfloat16 ends the process on some CPUs.
    shape = tf.stack([batch, groups, length, size])
    keys, values = (
        tf.broadcast_to(tf.cast(each, query.dtype), shape)
        for each in (prefix.keys, prefix.values)
    )
    # The heads of a group stand below each other as rows of one product.
    rows = reshape(query, [batch, groups, num_heads // groups * tokens, size])
    rows *= tf.cast(size**-0.5, rows.dtype)
    logits = tf.cast(tf.matmul(rows, keys, transpose_b=True), tf.float32)
    if prefix.is_there is not None:
        there = prefix.is_there[:, tf.newaxis, tf.newaxis]
        logits = tf.where(there, logits, _UNSEEN)
    weights = tf.cast(tf.nn.softmax(logits), values.dtype)
    own = reshape(tf.matmul(weights, values), [batch, num_heads, tokens, size])
    of_prefix = tf.reduce_logsumexp(logits, axis=-1)
    share = tf.sigmoid(reshape(of_prefix, [batch, num_heads, tokens]) - seen)
    share *= prefix.gate[:, :, tf.newaxis]
    return tf.cast(share[..., tf.newaxis], heads.dtype) * (own - heads)


def attend_prefix(
    layer: Any, query: tf.Tensor, heads: tf.Tensor, logits: tf.Tensor
) -> tf.Tensor:
    """`heads` with what the prefixes of `layer` add; see `PrefixAdapters.attend`."""
    found = adapters_of(layer)
    if not isinstance(found, PrefixAdapters) or not found.acts:
        return heads
    return found.attend(query, heads, logits)
