"""GPT: language models that are pre-trained, and served string in, string out."""

from tfgenai.gpt.gpt import GPT
from tfgenai.gpt.sizes import SIZES

__all__ = ["GPT", "SIZES"]
