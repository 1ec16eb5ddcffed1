"""GPT: language models that are pre-trained, and served string in, string out."""

from tfgenai.gpt.constraints import Constraint, JSONSchema, Regex
from tfgenai.gpt.gpt import GPT
from tfgenai.gpt.search import (
    BeamSearch,
    ContrastiveSearch,
    Decoding,
    SpeculativeSampling,
)
from tfgenai.gpt.sizes import SIZES

__all__ = [
    "GPT",
    "SIZES",
    "BeamSearch",
    "Constraint",
    "ContrastiveSearch",
    "Decoding",
    "JSONSchema",
    "Regex",
    "SpeculativeSampling",
]
