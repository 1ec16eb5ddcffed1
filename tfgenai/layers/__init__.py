"""Building blocks that two families or more use."""

from tfgenai.layers.dropout import SeededDropout

__all__ = ["SeededDropout"]
