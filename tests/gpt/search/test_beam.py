"""Beam search against every text there is, and against greedy writing."""

import itertools

import numpy as np
import pytest
from tiny_gpt import randomize, tiny

import tfgenai as tg
from tfgenai.gpt import BeamSearch

PROMPTS = [[0, 1], [2], [3, 0, 1]]


@pytest.fixture(scope="module")
def model():
    model = tg.GPT(
        4, max_sequence_length=8, num_layers=1, num_heads=2, hidden_dim=8, end_token=3
    )
    randomize(model, 0.7)
    return model


def best_text(model, prompt, num_tokens, length_penalty):
    """The text of the highest rank among all, by whole passes."""
    ranked = []
    for count in range(num_tokens + 1):
        for text in itertools.product(range(3), repeat=count):
            ends = [3] if count < num_tokens else []
            (scores,) = model.score([[*prompt, *text, *ends]])
            length = count + len(ends)
            rank = scores[len(prompt) - 1 :].sum()
            ranked.append((rank / ((5 + length) / 6) ** length_penalty, text))
    return list(max(ranked)[1])


@pytest.mark.parametrize("length_penalty", [0.0, 3.0])
def test_a_beam_of_all_texts_finds_the_best_one(model, length_penalty):
    # The end token may not begin a text here, or short texts would always win.
    found = model.generate_tokens(
        PROMPTS,
        max_new_tokens=3,
        decoding=BeamSearch(64, length_penalty=length_penalty),
    )
    expected = [best_text(model, p, 3, length_penalty) for p in PROMPTS]
    assert [row.tolist() for row in found] == expected


def test_the_length_penalty_favours_longer_texts(model):
    lengths = [
        sum(
            map(
                len,
                model.generate_tokens(
                    PROMPTS, max_new_tokens=4, decoding=BeamSearch(8, penalty)
                ),
            )
        )
        for penalty in (0.0, 5.0)
    ]
    assert lengths[0] < lengths[1]


def test_one_beam_is_greedy():
    model = tiny(max_sequence_length=32)
    asked = {"prompts": [[1, 2], [5], [7, 3, 3]], "max_new_tokens": [9, 4, 12]}
    greedy = model.generate_tokens(**asked, temperature=0.0)
    found = model.generate_tokens(**asked, decoding=BeamSearch(1))
    assert [row.tolist() for row in found] == [row.tolist() for row in greedy]


def test_more_beams_find_likelier_texts():
    model = tiny(max_sequence_length=32)

    def log_prob(beams):
        (new,) = model.generate_tokens(
            [[1]],
            max_new_tokens=6,
            decoding=BeamSearch(beams, 0.0),
            logit_bias={11: -99},
        )
        return model.score([[1, *new]])[0].sum()

    found = [log_prob(beams) for beams in (1, 3, 40)]
    assert found[0] <= found[1] + 1e-4
    assert found[1] <= found[2] + 1e-4
    assert found[0] < found[2]


def test_rows_do_not_depend_on_each_other():
    model = tiny(max_sequence_length=32)
    prompts = [[1, 2], [5, 6, 7, 8], [9]]
    together = model.generate_tokens(prompts, max_new_tokens=8, decoding=BeamSearch(3))
    for prompt, row in zip(prompts, together, strict=True):
        (alone,) = model.generate_tokens(
            [prompt], max_new_tokens=8, decoding=BeamSearch(3)
        )
        np.testing.assert_array_equal(alone, row)


@pytest.mark.parametrize("num_beams", [0, -1, True])
def test_the_number_of_beams_is_checked(num_beams):
    with pytest.raises(ValueError, match="num_beams"):
        BeamSearch(num_beams)


def test_log_probabilities_are_those_of_score(model):
    asked = {"max_new_tokens": 4, "decoding": BeamSearch(4, 2.0)}
    tokens, log_probs = model.generate_tokens(PROMPTS, return_log_probs=True, **asked)
    assert sum(map(len, tokens)) > 3
    for prompt, new, found in zip(PROMPTS, tokens, log_probs, strict=True):
        # The model sees the newest document alone.
        start = max((i for i, token in enumerate(prompt) if token == 3), default=0)
        (scores,) = model.score([[*prompt[start:], *new]])
        np.testing.assert_allclose(found, scores[len(scores) - len(new) :], atol=1e-4)
