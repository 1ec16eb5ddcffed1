"""Low-rank adapters: named additions to the kernels of layers that stay as they are."""

from tfgenai.layers.adapters.kinds import kind_of
from tfgenai.layers.adapters.layer_adapters import (
    LayerAdapters,
    adapt,
    adapters_of,
    attach,
)
from tfgenai.layers.adapters.options import AdapterOptions
from tfgenai.layers.adapters.rows import adapter_rows, current_rows, shared_graph

__all__ = [
    "AdapterOptions",
    "LayerAdapters",
    "adapt",
    "adapter_rows",
    "adapters_of",
    "attach",
    "current_rows",
    "kind_of",
    "shared_graph",
]
