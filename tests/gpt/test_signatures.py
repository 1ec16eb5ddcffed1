"""Endpoints answer as Python does, and what is wrong with a row is its own error."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_gpt import MODERN, tiny_bytes

from tfgenai.gpt.knobs import knob_conditions

PROMPT_CAP, NEW_CAP, CHUNK = 8, 10, 3


@pytest.fixture(scope="module")
def model():
    return tiny_bytes(**MODERN)


@pytest.fixture(scope="module")
def call(model):
    """Calls an endpoint as a graph for any number of rows; knobs take their default."""
    signatures = model.serving_signatures(
        max_prompt_tokens=PROMPT_CAP,
        max_new_tokens=NEW_CAP,
        token_buckets=(4,),
        chunk_tokens=CHUNK,
    )
    graphs = {}

    def call(name, **given):
        signature = signatures[name]
        if name not in graphs:
            function = tf.function(signature.function, autograph=False)
            graphs[name] = function.get_concrete_function(**signature.inputs)
        n = len(next(iter(given.values())))
        known = knob_conditions(257, max_new_tokens=9, default_new_tokens=9)
        sentinels = {
            c.name: np.full((n, *c.shape), np.nan if c.dtype == "float32" else -1)
            for c in known
            if c.name in signature.inputs
        }
        inputs = {
            key: tf.constant(value, signature.inputs[key].dtype)
            for key, value in {**sentinels, **given}.items()
        }
        return {key: value.numpy() for key, value in graphs[name](**inputs).items()}

    call.signatures = signatures
    return call


def as_bytes(texts):
    return [text.encode() for text in texts]


def test_the_main_one_comes_first(call):
    assert list(call.signatures) == [
        "generate",
        "generate_advanced",
        "generate_up_to_4_tokens",
        "generate_tokens",
        "decode_chunk",
        "tokenize",
        "score",
        "embed",
        "score_tokens",
    ]


@pytest.mark.parametrize("n", [1, 3])
def test_texts_are_those_of_generate(model, call, n):
    prompts, seeds = ["RO:", "né", "a"][:n], [3, 4, 2**50][:n]
    answer = call("generate", prompts=prompts, seed=seeds)
    expected = model.generate(prompts, seed=seeds, max_new_tokens=NEW_CAP)
    assert answer["texts"].tolist() == as_bytes(expected)
    assert not any(answer["error"])
    tokens = model.generate_tokens(prompts, seed=seeds, max_new_tokens=NEW_CAP)
    assert answer["num_tokens"].tolist() == [len(row) for row in tokens]


def test_knobs_are_those_of_generate(model, call):
    prompts, seeds = ["RO:", "b"], [3, 4]
    knobs = {
        "temperature": [0.0, 1.5],
        "top_k": [0, 20],
        "top_p": [1.0, 0.9],
        "min_p": [0.0, 0.01],
        "repetition_penalty": [1.3, 1.0],
        "max_new_tokens": [9, 6],
    }
    answer = call("generate_advanced", prompts=prompts, seed=seeds, **knobs)
    expected = model.generate(prompts, seed=seeds, **knobs)
    assert answer["texts"].tolist() == as_bytes(expected)


def test_lists_are_those_of_generate(model, call):
    (free,) = model.generate_tokens(["RO:"], temperature=0.0, max_new_tokens=9)
    answer = call(
        "generate_advanced",
        prompts=["RO:", "RO:"],
        seed=[1, 1],
        temperature=[0.0, 0.0],
        stop_tokens=[[free[2], *[-1] * 7]] * 2,
        num_stop_tokens=[1, 0],
        logit_bias_tokens=[[65, *[-1] * 15]] * 2,
        logit_bias_values=[[1000.0] + [np.nan] * 15] * 2,
        num_logit_bias=[0, 1],
    )
    assert not any(answer["error"])
    assert answer["num_tokens"].tolist() == [free.tolist().index(free[2]), NEW_CAP]
    assert answer["texts"][1] == b"RO:" + b"A" * NEW_CAP


def test_a_short_queue_answers_alike(model, call):
    prompts = ["abcd", "x"]
    answer = call("generate_up_to_4_tokens", prompts=prompts, seed=[5, 6])
    expected = model.generate(prompts, seed=[5, 6], max_new_tokens=4)
    assert answer["texts"].tolist() == as_bytes(expected)
    answer = call("generate_up_to_4_tokens", prompts=["abcde"], seed=[5])
    assert b"1 to 4 tokens were expected. Received: 5" in answer["error"][0]


def test_bad_rows_get_their_error_and_others_do_not_notice(model, call):
    prompts = ["RO:", "", "way too long", b"\xff\xfe", "b"]
    answer = call("generate", prompts=prompts, seed=[1, 2, 3, 4, 5])
    errors = [error.decode() for error in answer["error"]]
    assert errors[0] == errors[4] == ""
    assert "prompts: 1 to 8 tokens were expected. Received: 0" in errors[1]
    assert "prompts: 1 to 8 tokens were expected. Received: 12" in errors[2]
    assert "prompts: UTF-8 text was expected" in errors[3]
    assert answer["texts"][1:4].tolist() == [b""] * 3
    assert answer["num_tokens"][1:4].tolist() == [0] * 3
    expected = model.generate(["RO:", "b"], seed=[1, 5], max_new_tokens=NEW_CAP)
    assert answer["texts"][[0, 4]].tolist() == as_bytes(expected)


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("temperature", -1.0),
        ("top_p", 0.0),
        ("top_p", 1.01),
        ("min_p", 2.0),
        ("repetition_penalty", 0.0),
        ("top_k", -2),
        ("max_new_tokens", NEW_CAP + 1),
        ("num_stop_tokens", 9),
        ("seed", -1),
    ],
)
def test_a_bad_knob_is_named_in_its_row(call, knob, value):
    good = {"seed": 1, "top_k": 0, "max_new_tokens": 5, "num_stop_tokens": 0}
    given = {"prompts": ["a", "a"], "seed": [1, 1]}
    given[knob] = [value, good.get(knob, 1.0)]
    answer = call("generate_advanced", **given)
    assert answer["error"][0].decode().startswith(f"{knob}: ")
    assert answer["error"][1] == b""
    assert answer["texts"][0] == b""
    assert answer["texts"][1].startswith(b"a")


def test_tokens_are_those_of_generate_tokens(model, call):
    tokens, log_probs = model.generate_tokens(
        [[1, 2, 3], [7]], seed=[8, 9], max_new_tokens=NEW_CAP, return_log_probs=True
    )
    answer = call(
        "generate_tokens",
        tokens=[[1, 2, 3, 0, 0, 9, 9, 9], [7, 256, 0, 0, 0, 0, 0, 0]],
        num_tokens=[3, 1],
        seed=[8, 9],
    )
    for row, (expected, chances) in enumerate(zip(tokens, log_probs, strict=True)):
        count = answer["num_new_tokens"][row]
        assert answer["new_tokens"][row, :count].tolist() == expected.tolist()
        np.testing.assert_allclose(answer["log_probs"][row, :count], chances, atol=1e-4)
        assert not answer["new_tokens"][row, count:].any()


def test_chunks_put_together_are_what_generate_writes(model, call):
    prompts, seeds = ["RO:", "né", "", "x" * 8], [3, 4, 5, 6]
    start = call("tokenize", prompts=prompts)
    tokens, count = start["tokens"], start["num_tokens"]
    assert tokens.shape == (4, PROMPT_CAP + NEW_CAP)
    assert start["error"].tolist().index(b"") == 0
    assert b"prompts" in start["error"][2]
    written, calls = np.zeros(4, int), 0
    knobs = {"repetition_penalty": [1.2] * 4, "max_new_tokens": [10, 7, 10, 10]}
    is_done = np.zeros(4, bool)
    while not is_done.all():
        answer = call(
            "decode_chunk",
            tokens=tokens,
            num_tokens=count,
            num_written=written,
            seed=seeds,
            **knobs,
        )
        for row in np.flatnonzero(~is_done):
            new = answer["num_new_tokens"][row]
            assert new <= CHUNK
            place = slice(count[row], count[row] + new)
            tokens[row, place] = answer["new_tokens"][row, :new]
            count[row] += new
            written[row] += new
        is_done |= answer["is_done"]
        calls += 1
        assert calls < 9
    assert calls == 4  # ten tokens, three at a time
    good = [0, 1, 3]
    knobs = {name: [values[i] for i in good] for name, values in knobs.items()}
    texts = model.generate(
        [prompts[i] for i in good], seed=[seeds[i] for i in good], **knobs
    )
    for row, text in zip(good, texts, strict=True):
        assert model.tokenizer.decode(tokens[row, : count[row]]) == text
    # a row that was refused, and so has no tokens, does not keep the loop waiting
    assert b"num_tokens" in answer["error"][2]


def test_scores_are_those_of_score(model, call):
    texts = ["ROM", "né", "a", "x" * 17]
    answer = call("score", texts=texts)
    for row, expected in enumerate(model.score(texts[:2])):
        count = answer["num_log_probs"][row]
        assert count == len(expected)
        np.testing.assert_allclose(
            answer["log_probs"][row, :count], expected, atol=1e-5
        )
        assert answer["log_prob"][row] == pytest.approx(expected.sum(), abs=1e-4)
        assert not answer["log_probs"][row, count:].any()
    errors = [error.decode() for error in answer["error"]]
    assert errors[:2] == ["", ""]
    assert "texts: 2 to 16 tokens were expected. Received: 1" in errors[2]
    assert "Received: 17" in errors[3]
    tokens = np.zeros((2, 16), int)
    tokens[0, :3], tokens[1, 0] = [82, 79, 77], 5
    by_tokens = call("score_tokens", tokens=tokens, num_tokens=[3, 1])
    np.testing.assert_allclose(
        by_tokens["log_probs"][0], answer["log_probs"][0], atol=1e-5
    )
    assert b"num_tokens" in by_tokens["error"][1]


def test_embeddings_are_those_of_embed(model, call):
    answer = call("embed", texts=["ROM", "a", ""])
    np.testing.assert_allclose(
        answer["embeddings"][:2], model.embed(["ROM", "a"]), atol=1e-5
    )
    assert b"texts: 1 to 16 tokens" in answer["error"][2]
    assert not answer["embeddings"][2].any()


@pytest.mark.parametrize("name", ["generate", "generate_up_to_4_tokens"])
def test_examples_of_texts_are_texts_that_fit(call, name):
    (prompts,) = (c for c in call.signatures[name].conditions if c.examples)
    assert prompts.name == "prompts"
    assert len(set(prompts.examples)) == 4
    answer = call(name, prompts=list(prompts.examples), seed=[1, 2, 3, 4])
    assert not any(answer["error"])
    answer = call(name, prompts=[prompts.counterexample], seed=[1])
    assert answer["error"][0]
