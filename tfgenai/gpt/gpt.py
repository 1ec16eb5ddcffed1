"""GPT: a decoder-only transformer, pre-trained by predicting the next token."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.model import GenerativeModel
from tfgenai.data.tokenizers import Tokenizer
from tfgenai.gpt.checks import (
    check_batch,
    check_ids,
    check_length,
    check_tokenizer,
    check_vocabulary,
)
from tfgenai.gpt.huggingface import HuggingFaceFolders
from tfgenai.gpt.objective import mean_per_token, next_token_losses, target_weights
from tfgenai.gpt.serving import Serving
from tfgenai.gpt.sizes import size_arguments
from tfgenai.layers import TransformerDecoder
from tfgenai.layers.causal_mask import causal_visibility

_NATS_PER_BIT = math.log(2.0)


@keras.saving.register_keras_serializable("tfgenai")
class GPT(Serving, HuggingFaceFolders, GenerativeModel):  # type: ignore[misc]  # it takes prompts
    """Language model of the GPT kind: text in, text out.

    Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training",
    equation 1; the network is `layers.TransformerDecoder`. Batches hold sequences of
    one token more than the model sees: x[:, :-1] are the inputs, x[:, 1:] the targets.
    Documents may stand one after another: each begins with the tokenizer's end token,
    sees nothing of those before it, and has its own positions.

    Logged figures are means over the target tokens, also over a whole split:

    - `loss`: cross-entropy in nats per token;
    - `perplexity`: its exponential;
    - `bits_per_byte`, in evaluation and with a tokenizer: bits for each byte of UTF-8,
      which can be compared between tokenizers.

    Args:
        vocabulary_size: number of tokens; None for the tokenizer's.
        tokenizer: a `tfgenai.data.Tokenizer`, which the model keeps and exports; None
            for a model of token ids.
        max_sequence_length: the most tokens that it looks back on.
        num_layers: number of blocks.
        num_heads: attention heads.
        hidden_dim: length of a token's vector.
        intermediate_dim: units of the feed-forward layers; None for the usual number.
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
        tie_weights: whether input and output embeddings are one variable.
        dropout: share of units set to zero in training, in [0, 1).
        remat: whether a block's activations are computed again in the backward pass
            instead of kept: less memory for a third more time.
        end_token: the token that begins each document; None for the tokenizer's, or
            none without a tokenizer.
        seed: seed of the initial weights and of dropout.
        ema_decay: decay of the averaged weights, or None.
        name: name of the model.
        dtype: dtype policy.

    Raises:
        ValueError: if a number is out of range, a name unknown, or the vocabulary is
            not the tokenizer's.

    Example:
        >>> sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8}
        >>> gpt = GPT(50, max_sequence_length=16, **sizes)
        >>> gpt(tf.zeros((2, 5), tf.int32)).shape
        TensorShape([2, 5, 50])
    """

    def __init__(
        self,
        vocabulary_size: int | None = None,
        *,
        tokenizer: Tokenizer | None = None,
        max_sequence_length: int = 256,
        num_layers: int = 6,
        num_heads: int = 6,
        hidden_dim: int = 384,
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
        end_token: int | None = None,
        seed: int = 0,
        ema_decay: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        vocabulary_size, own_end = check_vocabulary(
            vocabulary_size, tokenizer, end_token
        )
        super().__init__(seed=seed, ema_decay=ema_decay, name=name, dtype=dtype)
        self.vocabulary_size = vocabulary_size
        self.tokenizer = tokenizer
        self.max_sequence_length = max_sequence_length
        self.end_token = own_end
        self._network_options: dict[str, Any] = {
            "num_layers": num_layers,
            "num_heads": num_heads,
            "hidden_dim": hidden_dim,
            "intermediate_dim": intermediate_dim,
            "num_key_value_heads": num_key_value_heads,
            "head_dim": head_dim,
            "norm": norm,
            "norm_epsilon": norm_epsilon,
            "activation": activation,
            "position_embedding": position_embedding,
            "rotary_base": rotary_base,
            "use_bias": use_bias,
            "use_qk_norm": use_qk_norm,
            "sliding_window": sliding_window,
            "tie_weights": tie_weights,
            "dropout": dropout,
            "remat": remat,
        }
        self.decoder = TransformerDecoder(
            vocabulary_size,
            max_sequence_length,
            **self._network_options,
            seed=seed,
            name="decoder",
            dtype=self.dtype_policy,
        )
        if tokenizer is not None:
            self.evaluation_names = ("bytes_per_token",)
            # float32 holds a token's length exactly.
            self._token_lengths = np.array(
                [len(each) for each in tokenizer.token_bytes()], np.float32
            )
        self.finish_init()

    @classmethod
    def from_size(cls, size: str, **arguments: Any) -> "GPT":
        """Makes an untrained model of a named size; see `gpt.SIZES`.

        Args:
            size: such as `"gpt_nano"`, `"gpt_mini"` or `"gpt2"`.
            **arguments: further arguments of the constructor, which take precedence.

        Raises:
            ValueError: if there is no such size.

        Example:
            >>> GPT.from_size("gpt_nano", vocabulary_size=65).decoder.num_layers
            3
        """
        return cls(**{**size_arguments(size), **arguments})

    def call(self, tokens: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Logits of the token after each.

        Args:
            tokens: int32 `(batch, tokens)`; negative ones are padding.
            training: whether dropout is on.

        Returns:
            float32 `(batch, tokens, vocabulary_size)`.
        """
        return self.decoder.logits(self.hidden_states(tokens, training=training))

    def hidden_states(self, tokens: tf.Tensor, training: bool = False) -> tf.Tensor:
        """The vectors behind the logits, `(batch, tokens, hidden_dim)`."""
        check_length(tokens, max(self.max_sequence_length, 2))
        tokens = tf.cast(tokens, tf.int32)
        visibility = causal_visibility(
            tokens,
            end_token=self.end_token,
            sliding_window=self.decoder.sliding_window,
        )
        return self.decoder(tokens, visibility=visibility, training=training)

    # ---- training ------------------------------------------------------------

    def check_data(self, data: Any, name: str) -> None:
        """Refuses tokens of another tokenizer or beyond the vocabulary."""
        super().check_data(data, name)
        check_tokenizer(self.tokenizer, data, name)
        tokens = data[0] if isinstance(data, tuple) and data else data
        check_ids(tokens, self.vocabulary_size, name)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One step on a batch of sequences, each target token counting alike.

        So they do under an optimizer with `gradient_accumulation_steps`, for batches of
        one shape, which `tfgenai.data.load` makes: the gradient of a step is that of
        the sum over all targets of its batches, divided by the number of places where
        one could be, as nobody knows yet how many will follow. Those of a smaller batch
        weigh more. The average of the weights and `step` count every batch; gradients
        of a last, unfinished step wait in the optimizer for the next `fit`.
        """
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        weights = self.batch_target_weights(x, y, sample_weight)
        seed = self.step_seed()
        with tf.GradientTape() as tape:
            with random.seed_scope(seed):
                losses = self.compute_losses(
                    x, y, sample_weight, seed=seed, training=True
                )
            loss = losses["loss"]
            if _accumulates(self.optimizer):
                loss *= tf.reduce_mean(weights)
            total = self.scaled(self.optimizer, loss, weights)
        self.minimize(self.optimizer, tape, total, self.trainable_variables)
        return self.finish_step(losses, weights)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The losses of one batch, without a step."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        weights = self.batch_target_weights(x, y, sample_weight)
        losses = self.compute_losses(
            x, y, sample_weight, seed=self.step_seed(), training=False
        )
        return self._update_trackers(losses, weights)

    def compute_losses(
        self,
        x: tf.Tensor,
        y: tf.Tensor | None,
        sample_weight: tf.Tensor | None,
        *,
        seed: tf.Tensor,
        training: bool,
    ) -> dict[str, tf.Tensor]:
        """`loss`, the mean over target tokens in nats; see the base class.

        Args:
            x: int32 `(batch, sequence_length + 1)`; negative tokens are padding.
            y: bool `(batch, sequence_length + 1)`, True where a token is a target (of
                a prompt and its answer, only the answer), or None for all tokens.
            sample_weight: `(batch,)` or `(batch, sequence_length + 1)`, or None.
            seed: int32 `(2,)`.
            training: whether dropout is on.
        """
        x = tf.cast(x, tf.int32)
        targets = x[:, 1:]
        weights = self.batch_target_weights(x, y, sample_weight)
        logits = self(x[:, :-1], training=training)
        losses = next_token_losses(logits, targets)
        results = {"loss": mean_per_token(losses, weights)}
        if not training and self.tokenizer is not None:
            lengths = tf.gather(self._token_lengths, tf.maximum(targets, 0))
            results["bytes_per_token"] = mean_per_token(lengths, weights)
        return results

    def batch_target_weights(
        self, x: tf.Tensor, y: tf.Tensor | None, sample_weight: tf.Tensor | None
    ) -> tf.Tensor:
        """How much each target counts, float32 `(batch, sequence_length)`."""
        check_batch(x, y, self.max_sequence_length)
        x = tf.cast(x, tf.int32)
        if sample_weight is not None and sample_weight.shape.rank == 2:
            sample_weight = sample_weight[:, 1:]
        # What follows padding is predicted from nothing, as the first token is.
        mask = x[:, :-1] >= 0
        if y is not None:
            mask &= y[:, 1:]
        return target_weights(x[:, 1:], mask, sample_weight)

    def batch_weight(self, x: Any) -> tf.Tensor:
        """The weight of a batch's targets, so that figures are means over tokens."""
        return tf.reduce_sum(x)

    def get_metrics_result(self) -> dict[str, Any]:
        """The logs, with what follows from the mean loss."""
        logs = super().get_metrics_result()
        bytes_per_token = logs.pop("bytes_per_token", None)
        logs["perplexity"] = tf.exp(logs["loss"])
        if bytes_per_token is not None:
            bits = logs["loss"] / _NATS_PER_BIT
            logs["bits_per_byte"] = tf.math.divide_no_nan(bits, bytes_per_token)
        return logs

    def undecayed_variables(self) -> list[keras.Variable]:
        """Offsets and scales: what has fewer than two axes."""
        return [v for v in self.trainable_variables if len(v.shape) < 2]

    def default_optimizers(self) -> dict[str, Any]:
        """AdamW as GPTs are trained: little memory of squares, clipped gradients."""
        return {
            "optimizer": keras.optimizers.AdamW(
                1e-3, weight_decay=0.1, beta_2=0.99, global_clipnorm=1.0
            )
        }

    def flops_per_token(self, sequence_length: int | None = None) -> int:
        """Floating-point operations of a training step for each token.

        Chowdhery et al. 2022, "PaLM", arXiv:2204.02311, appendix B: 6 for each weight
        that is multiplied with, and 12 · layers · hidden_dim · sequence_length for
        attention.

        Args:
            sequence_length: tokens in a sequence; None for `max_sequence_length`.
        """
        length = sequence_length or self.max_sequence_length
        options, decoder = self._network_options, self.decoder
        weights = sum(
            math.prod(v.shape)
            for v in decoder.trainable_variables
            if len(v.shape) == 2 and "embedding" not in v.path.rsplit("/", 1)[-1]
        )
        weights += self.vocabulary_size * decoder.hidden_dim  # the logits
        inner = options["num_heads"] * (
            options["head_dim"] or decoder.hidden_dim // options["num_heads"]
        )
        return 6 * weights + 12 * decoder.num_layers * inner * length

    # ---- config --------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "tokenizer": (
                None
                if self.tokenizer is None
                else keras.saving.serialize_keras_object(self.tokenizer)
            ),
            "max_sequence_length": self.max_sequence_length,
            "end_token": self.end_token,
            **self._network_options,
        }


def _accumulates(optimizer: keras.optimizers.Optimizer) -> bool:
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return bool(inner.gradient_accumulation_steps)
