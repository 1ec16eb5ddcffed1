"""Contrastive search against equation 5 of its paper, by whole passes."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_gpt import MODERN, log_softmax, tiny

from tfgenai.gpt import ContrastiveSearch


def by_hand(model, prompt, num_tokens, num_candidates, alpha):
    """New tokens by equation 5, each from a pass over the whole text."""
    text = list(prompt)
    for _ in range(num_tokens):
        tokens = tf.constant([text], tf.int32)
        probs = np.exp(log_softmax(model(tokens).numpy()[0, -1].astype(float)))
        candidates = np.argsort(-probs, kind="stable")[:num_candidates]
        merits = []
        for token in candidates:
            # The end token is a candidate as others are; it begins no document here.
            hidden = model.decoder(tf.constant([[*text, token]], tf.int32))[0]
            hidden = hidden.numpy() / np.linalg.norm(hidden, axis=-1, keepdims=True)
            likeness = (hidden[:-1] @ hidden[-1]).max()
            merits.append((1 - alpha) * probs[token] - alpha * likeness)
        token = int(candidates[int(np.argmax(merits))])
        if token == model.end_token:
            break
        text.append(token)
    return text[len(prompt) :]


@pytest.mark.parametrize("options", [{}, MODERN], ids=["gpt2", "modern"])
@pytest.mark.parametrize("alpha", [0.3, 0.6])
def test_it_is_equation_5(options, alpha):
    model = tiny(max_sequence_length=16, **options)
    prompts = [[1, 2], [5, 6, 7], [9]]
    found = model.generate_tokens(
        prompts, max_new_tokens=6, decoding=ContrastiveSearch(3, alpha)
    )
    expected = [by_hand(model, prompt, 6, 3, alpha) for prompt in prompts]
    assert [row.tolist() for row in found] == expected


def test_without_a_penalty_it_is_greedy():
    model = tiny(max_sequence_length=16)
    asked = {"prompts": [[1, 2], [5]], "max_new_tokens": [9, 4]}
    greedy = model.generate_tokens(**asked, temperature=0.0)
    found = model.generate_tokens(**asked, decoding=ContrastiveSearch(4, 0.0))
    assert [row.tolist() for row in found] == [row.tolist() for row in greedy]


@pytest.mark.parametrize("arguments", [(0, 0.5), (4, 1.5), (4, -0.1)])
def test_its_numbers_are_checked(arguments):
    with pytest.raises(ValueError, match="num_candidates"):
        ContrastiveSearch(*arguments)
