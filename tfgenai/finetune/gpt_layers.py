"""The blocks of a GPT, for methods of fine-tuning that know what they consist of."""

from typing import Any

from tfgenai.core.errors import ConfigError
from tfgenai.gpt import GPT
from tfgenai.layers import DecoderBlock


def gpt_blocks(model: Any) -> list[DecoderBlock]:
    """The blocks of a GPT.

    Raises:
        ConfigError: if the model is none.
    """
    if not isinstance(model, GPT):
        raise ConfigError(
            f"A GPT was expected. Received: model={type(model).__name__}. Other models "
            "take adapters by apply_lora."
        )
    blocks: list[DecoderBlock] = model.decoder.blocks
    return blocks
