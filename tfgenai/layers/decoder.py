"""A decoder-only transformer: from tokens to the logits of the next one."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

import contextlib
import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.registry import unknown_name
from tfgenai.layers.causal_attention import KeyValues
from tfgenai.layers.causal_mask import (
    Visibility,
    cached_visibility,
    causal_visibility,
)
from tfgenai.layers.decoder_block import DecoderBlock, make_norm_layer
from tfgenai.layers.dropout import SeededDropout
from tfgenai.layers.initializers import Initializers
from tfgenai.layers.shapes import reshape, sizes

POSITION_EMBEDDINGS = ("learned", "rotary")
_INIT_STDDEV = 0.02
# Measured on two cores: from these widths on a CPU's own kernels beat XLA's.
_WIDE = {"float32": 384, "bfloat16": 256}
_ARGUMENTS = (
    "vocabulary_size",
    "max_sequence_length",
    "num_layers",
    "num_heads",
    "hidden_dim",
    "intermediate_dim",
    "num_key_value_heads",
    "head_dim",
    "norm",
    "norm_epsilon",
    "activation",
    "position_embedding",
    "rotary_base",
    "use_bias",
    "use_qk_norm",
    "sliding_window",
    "tie_weights",
    "dropout",
    "remat",
    "seed",
)


@keras.saving.register_keras_serializable("tfgenai")
class TransformerDecoder(keras.layers.Layer):
    """Embeds tokens, looks back through blocks of attention, and predicts the next.

    Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", with its
    initial weights: normal of 0.02, the last layer of each branch divided by the root
    of their number. Its options make it a Llama (Touvron et al. 2023,
    arXiv:2302.13971): `norm="rms"`, `activation="swiglu"`,
    `position_embedding="rotary"`, `use_bias=False`, `tie_weights=False`.

    Args:
        vocabulary_size: number of tokens.
        max_sequence_length: the most tokens in a sequence.
        num_layers: number of blocks.
        num_heads: heads of the queries.
        hidden_dim: length of a token's vector.
        intermediate_dim: units of the feed-forward layers; None for four times
            `hidden_dim`, with SwiGLU two thirds of that, to a multiple of 8.
        num_key_value_heads: heads of keys and values; None for `num_heads`.
        head_dim: length of a head; None for `hidden_dim / num_heads`.
        norm: `"layer"` or `"rms"`.
        norm_epsilon: what keeps the norms from dividing by zero.
        activation: `"gelu"` or `"swiglu"`.
        position_embedding: `"learned"` or `"rotary"`.
        rotary_base: base of rotary positions.
        use_bias: whether linear layers and layer norms have an offset.
        use_qk_norm: whether queries and keys are normalised.
        sliding_window: number of tokens that each looks back on; None for all.
        tie_weights: whether the logits are products with the embeddings (Press & Wolf
            2017, arXiv:1608.05859), which then are one variable.
        dropout: share of embeddings, attention weights and branches set to zero in
            training, in [0, 1).
        remat: whether a block's activations are computed again in the backward pass
            instead of kept.
        seed: seed of the initial weights.

    Call arguments:
        tokens: int32 `(batch, tokens)`; negative ones are padding.
        visibility: a `Visibility`; None for `causal_visibility(tokens)`.
        training: whether dropout is on.

    Returns:
        float `(batch, tokens, hidden_dim)`, the normalised vectors behind the logits.

    Raises:
        ValueError: if a number is out of range or a name unknown.

    Example:
        >>> sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8}
        >>> decoder = TransformerDecoder(100, 16, **sizes)
        >>> hidden = decoder(tf.zeros((2, 5), tf.int32))
        >>> hidden.shape, decoder.logits(hidden).shape
        (TensorShape([2, 5, 8]), TensorShape([2, 5, 100]))
    """

    def __init__(
        self,
        vocabulary_size: int,
        max_sequence_length: int,
        *,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        intermediate_dim: int | None = None,
        num_key_value_heads: int | None = None,
        head_dim: int | None = None,
        norm: str = "layer",
        norm_epsilon: float = 1e-5,
        activation: str = "gelu",
        position_embedding: str = "learned",
        rotary_base: float = 10_000.0,
        use_bias: bool = True,
        use_qk_norm: bool = False,
        sliding_window: int | None = None,
        tie_weights: bool = True,
        dropout: float = 0.0,
        remat: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in {
            "vocabulary_size": vocabulary_size,
            "max_sequence_length": max_sequence_length,
            "num_layers": num_layers,
            "hidden_dim": hidden_dim,
            "sliding_window": 1 if sliding_window is None else sliding_window,
        }.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"A positive whole number was expected. Received: {name}={value!r}."
                )
        if position_embedding not in POSITION_EMBEDDINGS:
            raise ValueError(
                unknown_name(
                    "position_embedding", position_embedding, list(POSITION_EMBEDDINGS)
                )
            )
        self.vocabulary_size = vocabulary_size
        self.max_sequence_length = max_sequence_length
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.num_key_value_heads = num_key_value_heads
        self.head_dim = head_dim
        self.norm = norm
        self.norm_epsilon = norm_epsilon
        self.activation = activation
        self.position_embedding = position_embedding
        self.rotary_base = rotary_base
        self.use_bias = use_bias
        self.use_qk_norm = use_qk_norm
        self.sliding_window = sliding_window
        self.tie_weights = tie_weights
        self.dropout = dropout
        self.remat = remat
        self.seed = seed
        self._make_layers()

    def _make_layers(self) -> None:
        new, policy, dim = Initializers(self.seed), self.dtype_policy, self.hidden_dim

        def table(name: str, rows: int) -> keras.Variable:
            # Rows are looked up, and logits computed, before anything is rounded.
            return self.add_weight(
                name=name,
                shape=(rows, dim),
                initializer=new.normal(_INIT_STDDEV),
                autocast=False,
            )

        self.token_embedding = table("token_embedding", self.vocabulary_size)
        if self.position_embedding == "learned":
            self.position_table = table("position_embedding", self.max_sequence_length)
        self.embedding_dropout = SeededDropout(self.dropout, dtype=policy)
        last = _INIT_STDDEV / (2 * self.num_layers) ** 0.5
        stddevs = {"init_stddev": _INIT_STDDEV, "output_init_stddev": last}
        is_rotary = self.position_embedding == "rotary"
        attention = {
            "num_heads": self.num_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "use_bias": self.use_bias,
            "rotary_base": self.rotary_base if is_rotary else None,
            "use_qk_norm": self.use_qk_norm,
            "dropout": self.dropout,
            **stddevs,
        }
        feed_forward = {
            "intermediate_dim": self._intermediate_dim(),
            "activation": self.activation,
            "use_bias": self.use_bias,
            **stddevs,
        }
        self.blocks = [
            DecoderBlock(
                attention,
                feed_forward,
                norm=self.norm,
                norm_epsilon=self.norm_epsilon,
                use_bias=self.use_bias,
                dropout=self.dropout,
                seed=new.next_seed(),
                name=f"block_{i}",
                dtype=policy,
            )
            for i in range(self.num_layers)
        ]
        self.final_norm = make_norm_layer(
            self.norm,
            epsilon=self.norm_epsilon,
            use_bias=self.use_bias,
            name="final_norm",
            dtype=policy,
        )
        for layer in (*self.blocks, self.final_norm):
            layer.build((None, None, dim))
        if not self.tie_weights:
            self.output_kernel = self.add_weight(
                name="output_embedding",
                autocast=False,
                shape=(self.vocabulary_size, dim),
                initializer=new.normal(_INIT_STDDEV),
            )
        self.built = True

    @property
    def slower_under_xla(self) -> bool:
        """Whether its products are so wide that on a CPU XLA does not pay."""
        return self.hidden_dim >= _WIDE.get(self.compute_dtype, math.inf)

    def _intermediate_dim(self) -> int:
        if self.intermediate_dim is not None:
            return self.intermediate_dim
        if self.activation != "swiglu":
            return 4 * self.hidden_dim
        return -(-8 * self.hidden_dim // 3 // 8) * 8

    def call(
        self,
        tokens: tf.Tensor,
        visibility: Visibility | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """The vectors behind the logits."""
        if visibility is None:
            visibility = causal_visibility(tokens, sliding_window=self.sliding_window)
        x = self.embed(tokens, visibility.positions)
        x = self.embedding_dropout(x, training=training)
        for block in self.blocks:
            x = self._run(block, x, visibility, training)
        return self.final_norm(x)

    def embed(self, tokens: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        """Vectors of tokens at positions, `(batch, tokens, hidden_dim)`."""
        table = tf.convert_to_tensor(self.token_embedding)
        x = tf.gather(table, tf.maximum(tokens, 0))
        if self.position_embedding == "learned":
            places = tf.convert_to_tensor(self.position_table)
            x += tf.gather(places, tf.minimum(positions, self.max_sequence_length - 1))
        return tf.cast(x, self.compute_dtype)

    def logits(self, hidden: tf.Tensor) -> tf.Tensor:
        """Logits of the next token.

        Args:
            hidden: float `(..., hidden_dim)`, what the call returned.

        Returns:
            float32 `(..., vocabulary_size)`.
        """
        # In float32 under every policy: half of it would make ties of near logits.
        table = tf.cast(tf.convert_to_tensor(self._output_table()), tf.float32)
        rows = tf.cast(tf.reshape(hidden, (-1, self.hidden_dim)), tf.float32)
        logits = tf.matmul(rows, table, transpose_b=True)
        return reshape(logits, [*sizes(hidden)[:-1], self.vocabulary_size])

    # ---- with a cache --------------------------------------------------------

    def fused(self) -> list[Any]:
        """What `extend` needs of each block and a loop makes once before it starts."""
        return [block.attention.fused() for block in self.blocks]

    def empty_cache(self, batch: tf.Tensor, num_slots: int) -> list[KeyValues]:
        """A cache for each block; one slot a position."""
        return [block.attention.empty_cache(batch, num_slots) for block in self.blocks]

    def extend(
        self,
        tokens: tf.Tensor,
        positions: tf.Tensor,
        cache: Sequence[KeyValues],
        fused: Sequence[Any] | None = None,
    ) -> tuple[tf.Tensor, list[KeyValues]]:
        """Continues sequences whose past is in a cache.

        What stands in later slots than a token's position is not seen by it, so that
        padding behind a prompt does no harm, and slots may be written again.

        Args:
            tokens: int32 `(batch, tokens)`, new tokens.
            positions: int32 `(batch, tokens)`, the slots that they take.
            cache: what `empty_cache` or this method returned.
            fused: what `fused` returned; None to make it.

        Returns:
            float `(batch, tokens, hidden_dim)` and the cache with the new tokens in it.
        """
        num_slots = cache[0].keys.shape[2]
        visibility = cached_visibility(
            positions, num_slots, sliding_window=self.sliding_window
        )
        slots = self.blocks[0].attention.cache_slots(positions)
        x = self.embed(tokens, positions)
        extended = []
        for block, kept, kernels in zip(
            self.blocks, cache, fused or self.fused(), strict=True
        ):
            x, kept = block.extend(x, visibility, kept, slots, kernels)
            extended.append(kept)
        return self.final_norm(x), extended

    # ---- config --------------------------------------------------------------

    def compute_output_shape(self, tokens_shape: Any, *_: Any) -> Any:
        """`(batch, tokens, hidden_dim)`."""
        return (*tokens_shape, self.hidden_dim)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in _ARGUMENTS},
        }

    def _output_table(self) -> keras.Variable:
        return self.token_embedding if self.tie_weights else self.output_kernel

    def _run(
        self, block: DecoderBlock, x: tf.Tensor, visibility: Visibility, training: bool
    ) -> tf.Tensor:
        if not training:
            return block(x, visibility=visibility)
        # The second run must drop what the first one dropped, and it happens after the
        # step's scope has been closed. With one seed a block, recomputing or not, it is
        # the same training.
        seed = random.next_scoped_seed() if self.dropout else None

        def run(x: tf.Tensor) -> tf.Tensor:
            with contextlib.nullcontext() if seed is None else random.seed_scope(seed):
                return block(x, visibility=visibility, training=training)

        return tf.recompute_grad(run)(x) if self.remat else run(x)
