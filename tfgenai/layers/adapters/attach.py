"""Which layers take adapters, and how they come to have them."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

import functools
from typing import Any

from tfgenai.layers.adapters.kernel_adapters import KernelAdapters, adapted_call
from tfgenai.layers.adapters.kind import Shape
from tfgenai.layers.adapters.kinds import kind_of
from tfgenai.layers.adapters.layer_adapters import LayerAdapters
from tfgenai.layers.adapters.options import Options
from tfgenai.layers.adapters.prefix import PrefixAdapters


def attach(layer: Any) -> Any:
    """The adapters of a layer, which from now on adds them; made if there are none.

    Args:
        layer: a built layer of a kind that `kind_of` knows, or `CausalAttention`.

    Returns:
        A `LayerAdapters`.
    """
    if not hasattr(layer, "adapters"):
        make = _adapters_for(layer) or KernelAdapters
        layer._tracker.unlock()
        layer.adapters = make(name="adapters")
        layer._tracker.lock()
        if make is KernelAdapters:
            layer.call = functools.partial(adapted_call, layer)
    return layer.adapters


def part_shapes(layer: Any, options: Options) -> dict[str, Shape] | None:
    """Shapes of the weights that an adapter has in a layer; None where it has none.

    Args:
        layer: any built layer.
        options: the adapter's.
    """
    adapters = _adapters_for(layer)
    return None if adapters is None else adapters.shapes(layer, options)


def _adapters_for(layer: Any) -> type[LayerAdapters] | None:
    if getattr(layer, "takes_prefix", False):
        return PrefixAdapters
    return None if kind_of(layer) is None else KernelAdapters
