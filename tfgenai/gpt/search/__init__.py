"""Ways to choose tokens other than drawing them one by one; one way a file."""

from tfgenai.gpt.search.beam import BeamSearch
from tfgenai.gpt.search.contrastive import ContrastiveSearch
from tfgenai.gpt.search.decoding import Decoding
from tfgenai.gpt.search.speculative import SpeculativeSampling

__all__ = ["BeamSearch", "ContrastiveSearch", "Decoding", "SpeculativeSampling"]
