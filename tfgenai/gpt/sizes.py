"""Named sizes of GPT, from one that trains in a minute to those of GPT-2."""

from typing import Any

from tfgenai.core.registry import unknown_name

# Radford et al. 2019, table 2, for gpt2 to gpt2_xl; 50,257 tokens are GPT-2's own.
SIZES: dict[str, dict[str, Any]] = {
    "gpt_nano": {
        "num_layers": 3,
        "num_heads": 3,
        "hidden_dim": 48,
        "max_sequence_length": 64,
    },
    "gpt_micro": {
        "num_layers": 4,
        "num_heads": 4,
        "hidden_dim": 128,
        "max_sequence_length": 64,
    },
    "gpt_mini": {
        "num_layers": 6,
        "num_heads": 6,
        "hidden_dim": 384,
        "max_sequence_length": 256,
    },
    "gpt2": {
        "num_layers": 12,
        "num_heads": 12,
        "hidden_dim": 768,
        "max_sequence_length": 1024,
    },
    "gpt2_medium": {
        "num_layers": 24,
        "num_heads": 16,
        "hidden_dim": 1024,
        "max_sequence_length": 1024,
    },
    "gpt2_large": {
        "num_layers": 36,
        "num_heads": 20,
        "hidden_dim": 1280,
        "max_sequence_length": 1024,
    },
    "gpt2_xl": {
        "num_layers": 48,
        "num_heads": 25,
        "hidden_dim": 1600,
        "max_sequence_length": 1024,
    },
}


def size_arguments(size: str) -> dict[str, Any]:
    """The constructor's arguments of a named size.

    Raises:
        ValueError: if there is no such size.

    Example:
        >>> size_arguments("gpt2")["num_layers"]
        12
    """
    if size not in SIZES:
        raise ValueError(unknown_name("size", size, sorted(SIZES)))
    return dict(SIZES[size])
