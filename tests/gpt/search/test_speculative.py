"""Speculative sampling has the distribution of drawing one by one, whatever drafts."""

from collections import Counter

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from tiny_gpt import MODERN, randomize, tiny, tiny_bytes

import tfgenai as tg
from tfgenai.gpt import SpeculativeSampling


def small(seed, scale=0.5, **options):
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "end_token": 4}
    model = tg.GPT(5, max_sequence_length=16, seed=seed, **{**sizes, **options})
    randomize(model, scale)
    return model


@pytest.fixture(scope="module")
def model():
    return small(0)


def exact_chances(model, prompt, top_p):
    """Chance of each text of at most two tokens, by whole passes."""
    chances = Counter()

    def next_chances(text):
        logits = model(tf.constant([text], tf.int32)).numpy()[0, -1].astype(float)
        probs = np.exp(logits - logits.max())
        probs /= probs.sum()
        order = np.argsort(-probs)
        kept = order[: 1 + int((np.cumsum(probs[order]) < top_p).sum())]
        cut = np.zeros_like(probs)
        cut[kept] = probs[kept]
        return cut / cut.sum()

    first = next_chances(prompt)
    for a in range(5):
        if a == 4:
            chances[()] += first[a]
            continue
        for b, chance in enumerate(next_chances([*prompt, a])):
            chances[(a,) if b == 4 else (a, b)] += first[a] * chance
    return {text: chance for text, chance in chances.items() if chance > 0}


@pytest.mark.parametrize("top_p", [1.0, 0.8])
@pytest.mark.parametrize("ahead", [1, 3])
def test_drafts_do_not_change_the_distribution(model, top_p, ahead):
    draft, n = small(7, 1.0), 10_000
    drawn = model.generate_tokens(
        [[0, 1]] * n,
        max_new_tokens=2,
        top_p=top_p,
        seed=3,
        decoding=SpeculativeSampling(draft, ahead),
        batch_size=n,
    )
    counts = Counter(tuple(row.tolist()) for row in drawn)
    chances = exact_chances(model, [0, 1], top_p)
    assert set(counts) <= set(chances)
    observed = [counts[text] for text in chances]
    expected = n * np.array(list(chances.values()))
    large = expected >= 5
    rest = [np.sum(np.array(observed)[~large])], [expected[~large].sum()]
    observed = np.append(np.array(observed)[large], rest[0])
    expected = np.append(expected[large], rest[1])
    used = expected > 0
    assert scipy.stats.chisquare(observed[used], expected[used]).pvalue > 1e-3


@pytest.mark.parametrize("options", [{}, MODERN], ids=["gpt2", "modern"])
def test_at_temperature_0_it_is_the_greedy_text(options):
    model = tiny(max_sequence_length=32, **options)
    draft = tiny(max_sequence_length=32, num_layers=1, seed=5)
    asked = {
        "prompts": [[1, 2], [5], [7, 3, 3]],
        "max_new_tokens": [19, 4, 12],
        "temperature": 0.0,
    }
    greedy = model.generate_tokens(**asked)
    found = model.generate_tokens(**asked, decoding=SpeculativeSampling(draft, 3))
    assert [row.tolist() for row in found] == [row.tolist() for row in greedy]


def test_log_probabilities_are_the_models(model):
    tokens, log_probs = model.generate_tokens(
        [[0, 1], [2]],
        max_new_tokens=9,
        seed=2,
        logit_bias={4: -1e4},
        decoding=SpeculativeSampling(small(7), 2),
        return_log_probs=True,
    )
    for prompt, new, found in zip([[0, 1], [2]], tokens, log_probs, strict=True):
        text = [*prompt, *new]
        logits = model(tf.constant([text], tf.int32)).numpy()[0, :, :4].astype(float)
        expected = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        rows = range(len(prompt) - 1, len(text) - 1)
        expected = [expected[i, text[i + 1]] for i in rows]
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_rows_do_not_depend_on_each_other(model):
    asked = {"decoding": SpeculativeSampling(small(7), 2), "max_new_tokens": 9}
    prompts = [[0, 1], [2], [3, 3, 1]]
    together = model.generate_tokens(prompts, seed=[5, 6, 7], **asked)
    for prompt, seed, row in zip(prompts, [5, 6, 7], together, strict=True):
        (alone,) = model.generate_tokens([prompt], seed=[seed], **asked)
        np.testing.assert_array_equal(alone, row)


def test_a_draft_of_other_tokens_is_refused(model):
    draft = tg.GPT(6, max_sequence_length=16, num_layers=1, num_heads=1, hidden_dim=4)
    with pytest.raises(ValueError, match=r"draft\.vocabulary_size=6"):
        model.generate_tokens(
            [[0]], max_new_tokens=2, decoding=SpeculativeSampling(draft)
        )
    draft = tiny_bytes()
    own = tg.GPT(257, max_sequence_length=16, num_layers=1, num_heads=1, hidden_dim=4)
    with pytest.raises(ValueError, match=r"own tokenizer, None"):
        own.generate_tokens(
            [[0]], max_new_tokens=2, decoding=SpeculativeSampling(draft)
        )
    with pytest.raises(ValueError, match="num_draft_tokens"):
        SpeculativeSampling(draft, 0)
