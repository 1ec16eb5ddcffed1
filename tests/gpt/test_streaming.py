"""Texts piece by piece are the texts written at once."""

import pytest
from tiny_gpt import MODERN, tiny, tiny_bytes


def joined(pieces):
    return ["".join(parts) for parts in zip(*pieces, strict=True)]


@pytest.mark.parametrize("options", [{}, MODERN], ids=["gpt2", "modern"])
@pytest.mark.parametrize("chunk_tokens", [1, 7, 64])
def test_pieces_make_the_whole(options, chunk_tokens):
    # 16 tokens are seen and up to 45 written: the context moves on, and random bytes
    # are broken characters.
    model = tiny_bytes(**options)
    prompts = ["Hé", "you", "z"]
    asked = {"max_new_tokens": [40, 9, 1], "seed": 4, "temperature": 0.9, "top_p": 0.95}
    pieces = list(model.stream(prompts, chunk_tokens=chunk_tokens, **asked))
    whole = model.generate(prompts, **asked)
    assert joined(pieces) == [
        text[len(prompt) :] for text, prompt in zip(whole, prompts, strict=True)
    ]
    assert len(pieces) <= -(-40 // chunk_tokens)


def test_a_character_comes_when_it_is_whole():
    model = tiny_bytes()
    # Only the two bytes of é are left, in turn.
    bias = {0xC3: 9e3, 0xA9: 9e3}
    pieces = [
        piece
        for (piece,) in model.stream(
            "a", max_new_tokens=8, chunk_tokens=1, seed=0, logit_bias=bias
        )
    ]
    whole = model.generate("a", max_new_tokens=8, seed=0, logit_bias=bias)
    assert "".join(pieces) == whole[0][1:]
    assert all(len(piece) <= 2 for piece in pieces)


def test_mistakes_are_found_at_once():
    model = tiny_bytes()
    with pytest.raises(ValueError, match="chunk_tokens"):
        model.stream("a", chunk_tokens=0)
    with pytest.raises(ValueError, match="temperature"):
        model.stream("a", temperature=-1.0)
    with pytest.raises(ValueError, match="empty"):
        model.stream([""])
    with pytest.raises(ValueError, match="tokenizer=None"):
        tiny().stream([[1]])
