"""Building blocks that two families or more use."""

from tfgenai.layers.attention import MultiHeadAttention
from tfgenai.layers.causal_attention import CausalAttention
from tfgenai.layers.decoder import TransformerDecoder
from tfgenai.layers.decoder_block import DecoderBlock
from tfgenai.layers.dropout import SeededDropout
from tfgenai.layers.group_norm import GroupNorm
from tfgenai.layers.initializers import Initializers
from tfgenai.layers.time_embedding import TimeEmbedding
from tfgenai.layers.transformer import FeedForward

__all__ = [
    "CausalAttention",
    "DecoderBlock",
    "FeedForward",
    "GroupNorm",
    "Initializers",
    "MultiHeadAttention",
    "SeededDropout",
    "TimeEmbedding",
    "TransformerDecoder",
]
