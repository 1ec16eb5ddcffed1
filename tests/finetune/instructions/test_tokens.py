from itertools import pairwise

import numpy as np
import pytest

from tfgenai.core import random
from tfgenai.data.tokenizers import BPETokenizer, ByteTokenizer, CharTokenizer
from tfgenai.finetune.instructions import Message
from tfgenai.finetune.instructions.chat_template import get_template
from tfgenai.finetune.instructions.tokens import (
    Encoded,
    cut_beginning,
    encode_messages,
    pack_rows,
)

TALK = (
    Message("system", "Be brief."),
    Message("user", "Hello, höw are you?"),
    Message("assistant", "I am fine."),
    Message("user", "And höw is he?"),
    Message("assistant", "He is fine."),
)
TEXTS = [get_template(name).render(TALK) for name in ("plain", "chatml")]
TOKENIZERS = [
    CharTokenizer.train(TEXTS),
    ByteTokenizer(),
    BPETokenizer.train([text * 9 for text in TEXTS], 330),
]


@pytest.mark.parametrize("name", ["plain", "chatml"])
@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=["char", "byte", "bpe"])
def test_each_token_of_an_answer_is_a_target_and_no_other(tokenizer, name):
    template = get_template(name)
    tokens, is_target = encode_messages(TALK, tokenizer, template)
    assert tokens[0] == tokens[-1] == tokenizer.end_token
    assert (tokens == tokenizer.end_token).sum() == 2
    # What each token stands for, byte for byte, next to who wrote that byte.
    text = template.render(TALK).encode()
    owners = np.zeros(len(text), bool)
    for answer in ("I am fine.", "He is fine."):
        start = text.index(answer.encode())
        owners[start : start + len(answer) + len(template.assistant[1])] = True
    lengths = [len(tokenizer.token_bytes()[token]) for token in tokens[1:-1]]
    assert sum(lengths) == len(text)
    stops = np.cumsum(lengths)
    expected = [
        set(owners[stop - length : stop])
        for stop, length in zip(stops, lengths, strict=True)
    ]
    assert [{flag} for flag in is_target[1:-1].tolist()] == expected
    assert is_target.dtype == bool
    assert not is_target[0]
    assert is_target[-1]


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=["char", "byte", "bpe"])
def test_where_an_answer_is_due_the_tokens_are_those_of_training(tokenizer):
    template = get_template("chatml")
    whole = encode_messages(TALK, tokenizer, template)
    asked = encode_messages(TALK[:4], tokenizer, template)
    np.testing.assert_array_equal(asked.tokens, whole.tokens[: len(asked.tokens)])
    following = template.generation_prompt + "He is fine."
    assert tokenizer.decode(whole.tokens).endswith(following + "<|im_end|>\n")
    assert tokenizer.decode(asked.tokens).endswith(template.generation_prompt)


def _row(*flags):
    tokens = np.array([99, *range(len(flags)), 99], np.int32)
    return Encoded(tokens, np.array([False, *flags, True]))


def test_a_long_conversation_loses_its_beginning():
    row = _row(False, True, True, False, False, True)
    assert cut_beginning(row, 8) is row
    cut = cut_beginning(row, 6)
    assert cut.tokens.tolist() == [99, 2, 3, 4, 5, 99]
    # Token 2 is the rest of an answer whose question is gone.
    assert cut.is_target.tolist() == [False, False, False, False, True, True]
    assert not cut_beginning(row, 3).is_target.any()


def test_rows_that_are_packed_hold_each_conversation_once():
    generator = random.numpy_generator(3)
    rows = [_row(*(generator.random(n) < 0.5)) for n in generator.integers(1, 30, 60)]
    size = 41
    packed = pack_rows(rows, size)
    assert max(len(row.tokens) for row in packed) <= size
    found = []
    for tokens, is_target in packed:
        ends = np.flatnonzero(tokens == 99)
        assert ends[0] == 0
        assert ends[-1] == len(tokens) - 1
        assert not is_target[0]
        assert is_target[ends[1:]].all()
        found += [is_target[a + 1 : b].tolist() for a, b in pairwise(ends)]
    assert sorted(found) == sorted(row.is_target[1:-1].tolist() for row in rows)
    # No packing can do with fewer rows than all tokens fill.
    needed = sum(len(row.tokens) - 1 for row in rows) / (size - 1)
    assert len(packed) <= needed * 1.1 + 1


def test_rows_that_fit_exactly_share_one():
    rows = [_row(True), _row(False, True, True), _row(False, True)]
    (packed,) = pack_rows(rows, 2 + 4 + 3 + 1)
    assert len(packed.tokens) == 10
    assert len(pack_rows(rows, 9)) == 2
