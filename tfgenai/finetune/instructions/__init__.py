"""Instruction tuning: conversations in files, and a model that answers."""

from tfgenai.finetune.instructions.chat_template import ChatTemplate
from tfgenai.finetune.instructions.conversations import (
    Conversation,
    Message,
    read_conversations,
)
from tfgenai.finetune.instructions.dataset import InstructionDataset
from tfgenai.finetune.instructions.reply import chat

__all__ = [
    "ChatTemplate",
    "Conversation",
    "InstructionDataset",
    "Message",
    "chat",
    "read_conversations",
]
