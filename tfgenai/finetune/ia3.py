"""IA3: learned vectors that multiply keys, values and feed-forward activations."""

from collections.abc import Sequence

import keras

from tfgenai.finetune.freeze import TrainableCount, require_matches
from tfgenai.finetune.gpt_layers import gpt_blocks
from tfgenai.finetune.lora import start_adapter
from tfgenai.layers.adapters import IA3Options
from tfgenai.layers.layer_tree import matches, named_layers

_SCALED_INPUTS = ("contract",)


def apply_ia3(
    model: keras.Model,
    *,
    targets: str | Sequence[str] = "*",
    name: str = "default",
    verbose: bool = True,
) -> TrainableCount:
    """Adds an IA3 adapter to a GPT and freezes everything else.

    Liu et al. 2022, "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper
    than In-Context Learning", arXiv:2205.05638, section 3.3: in every block,

        softmax(Q (l_k ⊙ Kᵀ) / √d) (l_v ⊙ V)   and   (l_ff ⊙ γ(x W₁)) W₂

    with the trained vectors l_k, l_v and l_ff. They begin as ones, so that the model at
    first computes what it did before. Keys and values are multiplied where their linear
    layers, with the bias, end, which is before any norm or rotation of keys; with
    SwiGLU, γ(x W₁) is the product of both branches. So they are other weights of these
    layers, and `merge_lora` and `unmerge_lora` work on them. Like all adapters they
    stand by name beside others, see `apply_lora` and `use_adapter`.

    Args:
        model: a `GPT`.
        targets: which of the layers `key`, `value` and `contract` (of the feed-forward
            layers, whose inputs are multiplied), by paths or ends of paths, such as
            `("key", "block_3")`; see `freeze`. `"*"` stands for all.
        name: what the adapter is called.
        verbose: whether to say on standard error how much trains.

    Returns:
        How much trains. `fit` asks for a new `compile`.

    Raises:
        ConfigError: if the model is no `GPT`.
        ValueError: if a target matches none of these layers, the name is taken or has
            other characters than `AdapterOptions` allows, or an adapter is merged.

    Example:
        >>> import tfgenai as tg
        >>> gpt = tg.GPT(50, num_layers=1, num_heads=2, hidden_dim=8)
        >>> print(apply_ia3(gpt, verbose=False))
        48 of 3,384 weights train (1.42%).
    """
    options = IA3Options(name, scaled_inputs=_SCALED_INPUTS)
    own = {
        id(layer)
        for block in gpt_blocks(model)
        for layer in (
            block.attention.key,
            block.attention.value,
            block.feed_forward.contract,
        )
    }
    able = {path: layer for path, layer in named_layers(model) if id(layer) in own}
    patterns = (targets,) if isinstance(targets, str) else tuple(targets)
    require_matches(patterns, list(able), "layers that IA3 scales")
    chosen = [layer for path, layer in able.items() if matches(path, patterns)]
    return start_adapter(model, chosen, options, seed=0, verbose=verbose)
