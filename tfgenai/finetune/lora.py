"""LoRA: named low-rank adapters on the layers of any model, merged and taken back."""

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfgenai.core.errors import ConfigError
from tfgenai.finetune.freeze import (
    TrainableCount,
    count_trainable,
    forget_graphs,
    require_compile,
    require_matches,
)
from tfgenai.layers import Initializers
from tfgenai.layers.adaptation import Adaptation
from tfgenai.layers.adapters import (
    AdapterOptions,
    LayerAdapters,
    Options,
    adapters_of,
    attach,
    kind_of,
)
from tfgenai.layers.layer_tree import base_variables, matches, named_layers

_STREAM = 11  # of the initial weights of adapters


def apply_lora(
    model: keras.Model,
    *,
    rank: int = 8,
    alpha: float | None = None,
    targets: str | Sequence[str] = "*",
    name: str = "default",
    use_rslora: bool = False,
    use_dora: bool = False,
    seed: int = 0,
    verbose: bool = True,
) -> TrainableCount:
    """Adds an adapter to a model and freezes everything else.

    Hu et al. 2021, "LoRA", arXiv:2106.09685: a kernel W becomes W + scale · A B, of
    which only A and B train; B begins at zero, so that the model at first computes what
    it did before. Several adapters may stand on one model; the new one alone acts and
    trains, see `use_adapter`. Where the model keeps averaged weights, these are the
    base; adapters are not averaged.

    Args:
        model: any Keras model with its weights made. Adapters go on Dense,
            EinsumDense, Embedding and convolution layers.
        rank: columns of A.
        alpha: numerator of the scale, which is alpha / rank; None for `rank`.
        targets: paths, or ends of paths, of layers or of what they are in, such as
            `("query", "value")`; see `freeze`. `"*"` stands for all that can.
        name: what the adapter is called.
        use_rslora: whether the scale is alpha / √rank, see `AdapterOptions`.
        use_dora: whether lengths are trained apart from directions, likewise.
        seed: seed of A.
        verbose: whether to say on standard error how much trains.

    Returns:
        How much trains. `fit` asks for a new `compile`.

    Raises:
        ValueError: if a target matches no layer that can have an adapter, the name is
            taken, a number is out of range, or an adapter is merged.

    Example:
        >>> import tfgenai as tg
        >>> gpt = tg.GPT(50, num_layers=1, num_heads=2, hidden_dim=8)
        >>> print(apply_lora(gpt, rank=2, targets=("query", "value"), verbose=False))
        64 of 3,400 weights train (1.88%).
    """
    options = AdapterOptions(
        name, rank=rank, alpha=alpha, use_rslora=use_rslora, use_dora=use_dora
    )
    chosen = _targets(model, (targets,) if isinstance(targets, str) else tuple(targets))
    return start_adapter(model, chosen, options, seed=seed, verbose=verbose)


def start_adapter(
    model: Any, layers: Sequence[Any], options: Options, *, seed: int, verbose: bool
) -> TrainableCount:
    """Adds an adapter to some layers, which alone acts and trains.

    Raises:
        ValueError: if the name is taken or an adapter is merged.
    """
    refuse_merged(model)
    name = options.name
    if name in adapter_names(model):
        raise ValueError(
            f"A new name was expected. Received: name={name!r}, which the model has. "
            "Take another, or remove_adapter it first."
        )
    add_adapter(model, layers, options, seed=seed)
    use_adapter(model, name)
    count = count_trainable(model)
    if verbose:
        sys.stderr.write(f"{count}\n")
    return count


def add_adapter(
    model: Any, layers: Sequence[Any], options: Options, *, seed: int
) -> None:
    """Makes the weights of an adapter on some layers, and freezes what is below."""
    Adaptation.of(model).freeze(variable for _, variable in base_variables(model))
    new = Initializers(seed, _STREAM)
    # Variables must be made under the strategy that the model was made under.
    with model.distribute_strategy.scope():
        for layer in layers:
            attach(layer).add(layer, options, seed=new.next_seed())
    require_compile(model)


def use_adapter(
    model: keras.Model,
    adapter: str | Mapping[str, float] | None,
) -> None:
    """Chooses which adapters act: one, a weighted sum of several, or none.

    Adapters of all methods add up. Those that act are those that train from the next
    `compile` on.

    Args:
        model: a model with adapters.
        adapter: a name; weights by name, of which each adapter's change of the kernels
            (of a prefix, of what heads see) is multiplied; or None for the base alone.

    Raises:
        ValueError: if an adapter is unknown, a weight is not finite, or one is merged.

    Example:
        >>> import tfgenai as tg
        >>> gpt = tg.GPT(50, num_layers=1, num_heads=2, hidden_dim=8)
        >>> for name in ("formal", "old"):
        ...     _ = apply_lora(gpt, targets="query", name=name, verbose=False)
        >>> use_adapter(gpt, {"formal": 0.5, "old": 0.5})
    """
    refuse_merged(model)
    weights = {adapter: 1.0} if isinstance(adapter, str) else dict(adapter or {})
    known = adapter_names(model)
    for name, weight in weights.items():
        require_known(name, known)
        if not isinstance(weight, (int, float)) or not math.isfinite(weight):
            raise ValueError(
                f"A finite weight was expected. Received: adapter[{name!r}]={weight!r}."
            )
    for _, found in adapted_layers(model):
        found.active = {
            name: float(weight)
            for name, weight in weights.items()
            if name in found.options
        }
    _train_only(model, set(weights))


def remove_adapter(model: keras.Model, name: str) -> None:
    """Takes an adapter and its weights away.

    Raises:
        ValueError: if it is unknown, or adapters are merged.
    """
    refuse_merged(model)
    require_known(name, adapter_names(model))
    for _, found in adapted_layers(model):
        if name in found.options:
            found.remove(name)
    require_compile(model)


def merge_lora(model: keras.Model) -> int:
    """Writes what acts into the kernels, so that the model is as fast as its base.

    It does so for LoRA and IA3; of the latter into biases, too. The base's are kept
    beside them, for `unmerge_lora` to write back to the bit: as much memory again as
    the adapted ones take. An export holds none of it.

    Args:
        model: a model with adapters of which some act.

    Returns:
        Bytes of the kernels and biases that are kept.

    Raises:
        ConfigError: if a prefix acts, of which no kernel can hold anything.
        ValueError: if no adapter acts, or they are merged.
    """
    refuse_merged(model)
    acting = [(layer, found) for layer, found in adapted_layers(model) if found.active]
    if not acting:
        raise ValueError(
            "A model with adapters of which some act was expected. Received: adapters="
            f"{adapter_names(model)}, of which none acts. Choose one with use_adapter."
        )
    if not can_merge(model):
        names = sorted(
            {n for _, found in acting if not found.can_merge for n in found.active}
        )
        raise ConfigError(
            "Adapters that kernels can hold, as those of LoRA and IA3, were expected. "
            f"Received: the prefixes {names}. Choose others with use_adapter, or "
            "export the model as it is."
        )
    with model.distribute_strategy.scope():
        for layer, found in acting:
            found.merge(layer)
    pairs = [pair for layer, found in acting for pair in found.kept_pairs(layer)]
    _weights_changed(model, [variable for variable, _ in pairs])
    return sum(math.prod(kept.shape) * kept.value.dtype.size for _, kept in pairs)


def unmerge_lora(model: keras.Model) -> None:
    """Writes the base kernels back, each bit of them; the adapters act as before.

    Raises:
        ValueError: if nothing is merged.
    """
    merged = [
        (layer, found) for layer, found in adapted_layers(model) if found.is_merged
    ]
    if not merged:
        raise ValueError(
            "A model with merged adapters was expected. Received: none is merged."
        )
    pairs = [pair for layer, found in merged for pair in found.kept_pairs(layer)]
    for layer, found in merged:
        found.unmerge(layer)
    _weights_changed(model, [variable for variable, _ in pairs])


def can_merge(model: Any) -> bool:
    """Whether all that acts can be written into kernels; no prefix can."""
    return all(found.can_merge for _, found in adapted_layers(model) if found.active)


def adapter_names(model: Any) -> list[str]:
    """The adapters of a model, by layer, and on each as they were made."""
    names: dict[str, None] = {}
    for _, found in adapted_layers(model):
        names.update(dict.fromkeys(found.options))
    return list(names)


def adapted_layers(model: Any) -> list[tuple[Any, LayerAdapters]]:
    """The layers of a model with adapters, each with them."""
    pairs = [(layer, adapters_of(layer)) for _, layer in named_layers(model)]
    return [(layer, found) for layer, found in pairs if found is not None]


def refuse_merged(model: Any) -> None:
    """Refuses a model whose kernels hold adapters.

    Raises:
        ValueError: if some are merged.
    """
    if any(found.is_merged for _, found in adapted_layers(model)):
        raise ValueError(
            "A model whose adapters are not merged was expected. Received: merged "
            f"adapters among {adapter_names(model)}. Call unmerge_lora first."
        )


def _targets(model: Any, patterns: tuple[str, ...]) -> list[Any]:
    meant = _meant_to_train(model)
    able = {
        path: layer
        for path, layer in named_layers(model)
        if layer.built
        and (kind := kind_of(layer)) is not None
        and id(kind.kernel(layer)) in meant
    }
    if not able:
        raise ValueError(
            "A model with Dense, EinsumDense, Embedding or convolution layers whose "
            f"weights are made was expected. Received: model={model.name!r}, which has "
            "none. Call it on data once if it was not built; otherwise freeze a part."
        )
    require_matches(patterns, list(able), "layers that take adapters")
    return [layer for path, layer in able.items() if matches(path, patterns)]


def _meant_to_train(model: Any) -> set[int]:
    """What trains, or did before it was frozen here; a frozen autoencoder does not."""
    variables = [*model.trainable_variables, *Adaptation.of(model).frozen]
    return {id(variable) for variable in variables}


def require_known(name: str, known: Sequence[str]) -> None:
    """Refuses a name that no adapter has.

    Raises:
        ValueError: if it is not among `known`.
    """
    if name not in known:
        raise ValueError(
            f"One of the adapters {list(known)} was expected. Received: {name!r}."
        )


def _train_only(model: Any, names: set[str]) -> None:
    for _, found in adapted_layers(model):
        for name in found.options:
            for variable in found.parts(name).values():
                variable.trainable = name in names
    require_compile(model)


def _weights_changed(model: Any, changed: Sequence[keras.Variable]) -> None:
    if hasattr(model, "ema"):
        model.ema.follow(changed)
    forget_graphs(model)
