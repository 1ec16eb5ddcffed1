"""Adapters: named additions to layers whose own weights stay as they are."""

from tfgenai.layers.adapters.attach import attach, part_shapes
from tfgenai.layers.adapters.kernel_adapters import KernelAdapters, adapt
from tfgenai.layers.adapters.kinds import kind_of
from tfgenai.layers.adapters.layer_adapters import LayerAdapters, adapters_of
from tfgenai.layers.adapters.options import (
    AdapterOptions,
    IA3Options,
    Options,
    PrefixOptions,
    options_from_dict,
)
from tfgenai.layers.adapters.prefix import PrefixAdapters, attend_prefix
from tfgenai.layers.adapters.rows import adapter_rows, current_rows, shared_graph

__all__ = [
    "AdapterOptions",
    "IA3Options",
    "KernelAdapters",
    "LayerAdapters",
    "Options",
    "PrefixAdapters",
    "PrefixOptions",
    "adapt",
    "adapter_rows",
    "adapters_of",
    "attach",
    "attend_prefix",
    "current_rows",
    "kind_of",
    "options_from_dict",
    "part_shapes",
    "shared_graph",
]
