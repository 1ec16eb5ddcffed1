"""`generate`: prompts, seeds, knobs a row, probabilities that are those of `score`."""

import inspect

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from tiny_gpt import (
    BLOCK,
    END,
    MODERN,
    VOCABULARY,
    draw,
    last_logits,
    log_softmax,
    tiny,
    tiny_bytes,
    write_greedily,
)

from tfgenai.core import random
from tfgenai.gpt.search import BeamSearch, ContrastiveSearch


def prompts_of(*lengths):
    return [draw(n, seed=n) for n in lengths]


@pytest.mark.parametrize("options", [{}, MODERN], ids=["gpt2", "modern"])
def test_what_was_drawn_has_the_log_probability_that_score_gives_it(options):
    model = tiny(**options)
    prompts = prompts_of(*range(1, BLOCK))
    tokens, log_probs = model.generate_tokens(
        prompts,
        max_new_tokens=[BLOCK - len(prompt) for prompt in prompts],
        seed=1,
        return_log_probs=True,
    )
    whole = [np.concatenate(pair) for pair in zip(prompts, tokens, strict=True)]
    scores = model.score(whole)
    for prompt, found, score in zip(prompts, log_probs, scores, strict=True):
        np.testing.assert_allclose(found, score[len(prompt) - 1 :], atol=1e-4)
    assert sum(map(len, tokens)) > 10


def test_log_probabilities_are_those_of_the_distribution_that_was_drawn_from():
    model, prompt = tiny(), draw(4)
    (tokens,), (found,) = model.generate_tokens(
        [prompt],
        temperature=0.7,
        top_k=3,
        max_new_tokens=10,
        seed=3,
        return_log_probs=True,
    )
    text = list(prompt)
    for token, log_prob in zip(tokens, found, strict=True):
        logits = last_logits(model, text) / 0.7
        logits[np.argsort(logits)[:-3]] = -np.inf
        assert log_prob == pytest.approx(log_softmax(logits)[token], abs=1e-3)
        text.append(token)


def test_temperature_0_is_the_plain_loop_of_the_likeliest_tokens():
    model = tiny(**MODERN)
    prompts = prompts_of(*range(1, BLOCK + 1))
    found = model.generate_tokens(prompts, temperature=0.0, max_new_tokens=15, seed=9)
    expected = [write_greedily(model, prompt, 15) for prompt in prompts]
    assert [row.tolist() for row in found] == expected
    again = model.generate_tokens(prompts, temperature=0.0, max_new_tokens=15, seed=8)
    assert [row.tolist() for row in again] == expected


def test_ten_thousand_first_tokens_fit_the_softmax():
    model, prompt, n = tiny(end_token=None), draw(3), 10_000
    rows = model.generate_tokens([prompt] * n, max_new_tokens=1, seed=0, batch_size=n)
    counts = np.bincount(np.concatenate(rows), minlength=VOCABULARY)
    probs = np.exp(log_softmax(last_logits(model, prompt)))
    assert scipy.stats.chisquare(counts, n * probs).pvalue > 0.001


def test_texts_begin_with_their_prompts():
    model = tiny_bytes()
    prompts = ["né", "O", "a b"]
    texts = model.generate(prompts, max_new_tokens=5, seed=1)
    for prompt, text in zip(prompts, texts, strict=True):
        assert text.startswith(prompt)
    tokens = model.generate_tokens(prompts, max_new_tokens=5, seed=1)
    tokenizer = model.tokenizer
    for prompt, text, new in zip(prompts, texts, tokens, strict=True):
        joined = np.concatenate([tokenizer.encode(prompt), new])
        assert text == tokenizer.decode(joined)
    assert model.generate("O", max_new_tokens=5, seed=2)[0].startswith("O")


def test_a_number_of_texts_begins_as_documents_do():
    model = tiny_bytes()
    texts = model.generate(3, max_new_tokens=4, seed=1)
    rows = model.generate_tokens([[256]] * 3, max_new_tokens=4, seed=1)
    assert texts == [model.tokenizer.decode(row) for row in rows]


def test_a_row_is_a_function_of_its_seed_and_the_number_of_rows_does_not_matter():
    model, prompts = tiny(), prompts_of(2, 5, 3, 1, 4)
    options = {"max_new_tokens": 9}

    def rows(prompts, **more):
        found = model.generate_tokens(prompts, **options, **more)
        return [row.tolist() for row in found]

    together = rows(prompts, seed=3)
    assert rows(prompts, seed=3) == together
    assert rows(prompts, seed=random.row_seeds(3, 5)) == together
    assert rows(prompts, seed=3, batch_size=2) == together
    assert rows(prompts[3:4], seed=random.row_seeds(3, 5)[3:4]) == together[3:4]
    assert rows(prompts, seed=4) != together
    assert rows(prompts) == rows(prompts, seed=model.seed)


def test_knobs_are_one_a_row():
    model, prompts = tiny(), prompts_of(3, 3, 2)
    options = {"seed": [5, 5, 6], "max_new_tokens": [7, 3, 5]}
    greedy, short, last = model.generate_tokens(
        prompts, temperature=[0.0, 1.0, 1.0], top_k=[0, 0, 1], **options
    )
    assert greedy.tolist() == write_greedily(model, prompts[0], 7)
    assert last.tolist() == write_greedily(model, prompts[2], 5)
    (alone,) = model.generate_tokens([prompts[1]], seed=[5], max_new_tokens=3)
    assert short.tolist() == alone.tolist()


@pytest.mark.parametrize(
    "decoding", [None, BeamSearch(2), ContrastiveSearch()], ids=type
)
def test_a_prompt_of_several_documents_is_its_last_one(decoding):
    model, last = tiny(), [END, 3, 4]
    options = {"max_new_tokens": 3, "decoding": decoding, "seed": [1, 1]}
    both = model.generate_tokens([[1, 2, *last], last], **options)
    np.testing.assert_array_equal(*both)


def test_stop_tokens_and_biases_reach_the_loop():
    model, prompt = tiny(), draw(3)
    free = write_greedily(model, prompt, 10)
    stop = free[3]
    (tokens,) = model.generate_tokens(
        [prompt], temperature=0.0, stop_tokens=[stop], max_new_tokens=10
    )
    assert tokens.tolist() == free[: free.index(stop)]
    (tokens,) = model.generate_tokens(
        [prompt], temperature=0.0, logit_bias={7: 1000.0}, max_new_tokens=4
    )
    assert tokens.tolist() == [7] * 4
    (tokens,) = model.generate_tokens([prompt], logit_bias={END: 1000.0})
    assert tokens.tolist() == []


def test_the_averaged_weights_write():
    model = tiny(ema_decay=0.5)
    for weight, average in model.ema.pairs:
        average.assign(weight)
    prompts = prompts_of(3, 2)
    expected = model.generate_tokens(prompts, temperature=0.0, max_new_tokens=6)
    for weight in model.decoder.weights:
        weight.assign(tf.reverse(weight, [0]))
    found = model.generate_tokens(prompts, temperature=0.0, max_new_tokens=6)
    for left, right in zip(expected, found, strict=True):
        np.testing.assert_array_equal(left, right)


def test_requests_of_like_size_share_a_graph():
    model = tiny(max_sequence_length=64)
    for length, new in ((3, 4), (9, 16), (16, 1)):
        model.generate_tokens(prompts_of(length), max_new_tokens=new)
    assert len(model._sampler_cache) == 1
    model.generate_tokens(prompts_of(17), max_new_tokens=1)
    assert len(model._sampler_cache) == 2


def test_half_precision_writes():
    model = tiny(dtype="mixed_float16", **MODERN)
    tokens, log_probs = model.generate_tokens(
        prompts_of(3, 8), max_new_tokens=12, return_log_probs=True
    )
    assert all(row.dtype == np.int32 for row in tokens)
    assert all(np.isfinite(row).all() for row in log_probs)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"temperature": -1.0}, ValueError, "temperature=-1"),
        ({"temperature": [1.0, 1.0]}, ValueError, r"temperature of shape \(2,\)"),
        ({"temperature": "hot"}, TypeError, "temperature='hot'"),
        ({"top_p": 0.0}, ValueError, "top_p=0"),
        ({"top_p": 1.5}, ValueError, "top_p=1.5"),
        ({"top_k": -1}, ValueError, "top_k=-1"),
        ({"top_k": 1.5}, TypeError, "top_k=1.5"),
        ({"min_p": -0.5}, ValueError, "min_p=-0.5"),
        ({"repetition_penalty": 0.0}, ValueError, "repetition_penalty=0"),
        ({"max_new_tokens": 0}, ValueError, "max_new_tokens=0"),
        ({"stop_tokens": [300]}, ValueError, "stop_tokens=300"),
        ({"stop_tokens": ["\n"]}, TypeError, "stop_tokens="),
        ({"logit_bias": {300: 1.0}}, ValueError, "logit_bias_tokens=300"),
        ({"batch_size": 0}, ValueError, "batch_size=0"),
        ({"seed": -1}, ValueError, "seed=-1"),
        ({"seed": [1, 2]}, ValueError, r"seed of shape \(2,\)"),
        ({"prompts": ""}, ValueError, "empty"),
        ({"decoding": "beam"}, TypeError, "decoding='beam'"),
        ({"constraint": "[0-9]+"}, TypeError, "constraint="),
        ({"stop_tokens": [[1], [2]]}, ValueError, "stop_tokens of 2 rows"),
        ({"prompts": ["x" * 17]}, ValueError, "of 17"),
    ],
)
def test_bad_arguments_are_refused_by_name(options, error, words):
    with pytest.raises(error, match=words):
        tiny_bytes().generate(**{"prompts": ["a"], **options})


def test_an_unknown_knob_is_refused_with_what_is_near():
    with pytest.raises(TypeError, match="Did you mean 'temperature'"):
        tiny().generate_tokens([[1]], temperatur=1.0)


def test_without_a_tokenizer_there_are_tokens_alone():
    with pytest.raises(ValueError, match=r"tokenizer=None.*generate_tokens"):
        tiny().generate([[1]])


def test_every_knob_of_an_export_is_one_of_generate():
    model = tiny_bytes()
    arguments = set(inspect.signature(model.generate).parameters)
    lists = {"num_stop_tokens", "num_logit_bias"}
    lists |= {"logit_bias_tokens", "logit_bias_values"}
    assert {knob.name for knob in model.conditions()} - lists <= arguments


@pytest.mark.slow
def test_a_compiled_loop_writes_the_same():
    model, prompts = tiny(), prompts_of(2, 8)
    plain = model.generate_tokens(prompts, max_new_tokens=12)
    compiled = model.generate_tokens(prompts, max_new_tokens=12, jit_compile=True)
    for left, right in zip(plain, compiled, strict=True):
        np.testing.assert_array_equal(left, right)


def test_stop_tokens_and_biases_may_differ_from_row_to_row():
    model, prompts = tiny(end_token=None), [[1], [1], [2]]
    asked = {"temperature": 0.0, "max_new_tokens": 9}
    stops, biases = [[5], [], [1, 2]], [{}, {3: 50.0}, {4: 9.0, 5: 9.0}]
    together = model.generate_tokens(
        prompts, stop_tokens=stops, logit_bias=biases, **asked
    )
    for row, prompt in enumerate(prompts):
        (alone,) = model.generate_tokens(
            [prompt], stop_tokens=stops[row], logit_bias=biases[row], **asked
        )
        np.testing.assert_array_equal(together[row], alone)
    assert together[1].tolist() == [3] * 9
