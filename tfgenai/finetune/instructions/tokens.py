"""Tokens of conversations, which of them are targets, and rows that hold several."""

import bisect
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tfgenai.data.tokenizers import Tokenizer
from tfgenai.finetune.instructions.chat_template import ChatTemplate
from tfgenai.finetune.instructions.conversations import Message


class Encoded(NamedTuple):
    """A conversation as a model reads it.

    Args:
        tokens: int32 `(tokens,)`; the end token begins it, and ends what is complete.
        is_target: bool `(tokens,)`, what an assistant wrote: its words, the mark of
            their end and the end token.
    """

    tokens: np.ndarray
    is_target: np.ndarray


def encode_messages(
    messages: Sequence[Message], tokenizer: Tokenizer, template: ChatTemplate
) -> Encoded:
    """Tokens of messages: of a whole conversation, or up to where an answer is due.

    What is asked and what is answered are turned into tokens by themselves, as they are
    when an answer is written.

    Raises:
        ValueError: if the template or the tokenizer refuses them.
    """
    pieces = template.pieces(messages)
    parts = [(tokenizer.encode(piece.text), piece.is_answer) for piece in pieces]
    end = np.array([tokenizer.end_token], np.int32)
    parts.insert(0, (end, False))
    if messages[-1].role == "assistant":
        parts.append((end, True))
    return Encoded(
        np.concatenate([tokens for tokens, _ in parts]),
        np.concatenate([np.full(len(tokens), flag) for tokens, flag in parts]),
    )


def cut_beginning(row: Encoded, size: int) -> Encoded:
    """The last tokens behind an end token; answers without their question do not count.

    Args:
        row: a conversation.
        size: the most tokens of the result.
    """
    if len(row.tokens) <= size:
        return row
    kept = slice(len(row.tokens) - size + 1, None)
    tokens = np.concatenate([row.tokens[:1], row.tokens[kept]])
    is_target = np.concatenate([row.is_target[:1], row.is_target[kept]])
    is_target[1:] &= np.logical_or.accumulate(~is_target[1:])
    return Encoded(tokens, is_target)


def pack_rows(rows: Sequence[Encoded], size: int) -> list[Encoded]:
    """Puts conversations behind one another, the end token of one beginning the next.

    Best fit, the longest first: Krell et al. 2021, "Efficient Sequence Packing without
    Cross-contamination", arXiv:2107.02027, section 3.

    Args:
        rows: conversations, each of at most `size` tokens.
        size: the most tokens of a row.

    Returns:
        Fewer rows; the same for the same conversations.

    Example:
        >>> short = Encoded(np.array([9, 1, 9]), np.array([False, True, True]))
        >>> pack_rows([short, short], 7)[0].tokens.tolist()
        [9, 1, 9, 1, 9]
    """
    bins: list[list[Encoded]] = []
    rooms: list[tuple[int, int]] = []  # of each row, in ascending order; and its number
    for row in sorted(rows, key=lambda row: -len(row.tokens)):
        needed = len(row.tokens) - 1
        place = bisect.bisect_left(rooms, (needed, -1))
        if place == len(rooms):
            room, number = size - 1, len(bins)
            bins.append([])
        else:
            room, number = rooms.pop(place)
        bins[number].append(row)
        bisect.insort(rooms, (room - needed, number))
    return [_joined(row) for row in bins]


def _joined(rows: Sequence[Encoded]) -> Encoded:
    first, *rest = rows
    return Encoded(
        *(
            np.concatenate([start, *(row[field][1:] for row in rest)])
            for field, start in enumerate(first)
        )
    )
