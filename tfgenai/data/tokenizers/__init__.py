"""Text to tokens and back, in Python and in a graph: bytes, characters, BPE."""

from tfgenai.data.tokenizers.bpe import BPETokenizer
from tfgenai.data.tokenizers.byte import ByteTokenizer
from tfgenai.data.tokenizers.char import CharTokenizer
from tfgenai.data.tokenizers.tokenizer import TOKENIZERS, Tokenizer

__all__ = [  # noqa: RUF022 - sorted without regard to case
    "BPETokenizer",
    "ByteTokenizer",
    "CharTokenizer",
    "Tokenizer",
    "TOKENIZERS",
]
