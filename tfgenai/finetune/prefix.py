"""Prefix tuning: trained keys and values in front of those of every layer."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core import random
from tfgenai.finetune.freeze import TrainableCount
from tfgenai.finetune.gpt_layers import gpt_blocks
from tfgenai.finetune.lora import start_adapter, use_adapter
from tfgenai.gpt import GPT
from tfgenai.layers.adapters import PrefixOptions, attach

_STREAM = 12  # of the tokens that prefixes begin as


def apply_prefix(
    model: keras.Model,
    *,
    num_prefix_tokens: int = 10,
    name: str = "default",
    seed: int = 0,
    verbose: bool = True,
) -> TrainableCount:
    """Adds a trained prefix to every layer of a GPT and freezes everything else.

    Li & Liang 2021, "Prefix-Tuning: Optimizing Continuous Prompts for Generation",
    arXiv:2101.00190, section 4: the attention of each layer also sees trained keys and
    values, as if tokens that no vocabulary has stood in front of every text. Two things
    are otherwise than there:

    - what a head sees of the prefix is multiplied by a trained gate, which begins at
      zero, so that the model at first computes what it did before (as in Zhang et al.
      2023, "LLaMA-Adapter", arXiv:2303.16199, section 3.2). The equations stand in
      `layers.adapters.PrefixAdapters`; at a gate of one they are the paper's;
    - keys and values are trained as they are, without the network that makes them in
      section 4.3. They begin as those of tokens drawn at random, as real activations
      do better than noise (section 7.4).

    A prefix takes no position and no slot of a cache: it is seen by every token,
    whatever `sliding_window` and however long the text has become, and as much text as
    before is seen with it. Like all adapters it stands by name beside others, see
    `apply_lora` and `use_adapter`; it cannot be merged.

    Args:
        model: a `GPT`.
        num_prefix_tokens: keys and values in each layer.
        name: what the adapter is called.
        seed: seed of the tokens that the prefix begins as.
        verbose: whether to say on standard error how much trains.

    Returns:
        How much trains. `fit` asks for a new `compile`.

    Raises:
        ConfigError: if the model is no `GPT`, or `num_prefix_tokens` no positive whole
            number.
        ValueError: if the name is taken or has other characters than `AdapterOptions`
            allows, or an adapter is merged.

    Example:
        >>> import tfgenai as tg
        >>> gpt = tg.GPT(50, num_layers=1, num_heads=2, hidden_dim=8)
        >>> print(apply_prefix(gpt, num_prefix_tokens=4, verbose=False))
        66 of 3,402 weights train (1.94%).
    """
    options = PrefixOptions(name, num_prefix_tokens=num_prefix_tokens)
    layers = [block.attention for block in gpt_blocks(model)]
    count = start_adapter(model, layers, options, seed=seed, verbose=verbose)
    use_adapter(model, None)
    _begin_as_tokens(model, layers, options, seed)
    use_adapter(model, name)
    return count


def _begin_as_tokens(
    model: GPT, layers: Sequence[Any], options: PrefixOptions, seed: int
) -> None:
    """Keys and values of tokens, each read by itself at the first position."""
    n = options.num_prefix_tokens
    generator = random.numpy_generator(seed, _STREAM)
    tokens = tf.constant(
        generator.integers(model.vocabulary_size, size=(n, 1)), tf.int32
    )
    cache = model.decoder.empty_cache(n, 1)
    _, caches = model.decoder.extend(tokens, tf.zeros_like(tokens), cache)
    for layer, own in zip(layers, caches, strict=True):
        parts = attach(layer).parts(options.name)
        for part, value in (("keys", own.keys), ("values", own.values)):
            # `(prefix_tokens, heads, 1, head_dim)`
            swapped = tf.transpose(value[:, :, 0], (1, 0, 2))
            parts[part].assign(tf.cast(swapped, tf.float32))
