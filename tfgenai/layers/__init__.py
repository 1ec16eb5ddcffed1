"""Building blocks that two families or more use."""

from tfgenai.layers.attention import MultiHeadAttention
from tfgenai.layers.dropout import SeededDropout
from tfgenai.layers.group_norm import GroupNorm
from tfgenai.layers.initializers import Initializers
from tfgenai.layers.time_embedding import TimeEmbedding
from tfgenai.layers.transformer import FeedForward

__all__ = [
    "FeedForward",
    "GroupNorm",
    "Initializers",
    "MultiHeadAttention",
    "SeededDropout",
    "TimeEmbedding",
]
