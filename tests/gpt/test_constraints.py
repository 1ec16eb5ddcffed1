"""Constraints: what is written matches, whatever the tokens, in Python and exported."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf
from tiny_gpt import tiny, tiny_bytes

import tfgenai as tg
from tfgenai.core.errors import ConfigError
from tfgenai.gpt import JSONSchema, Regex
from tfgenai.gpt.constraints import join

pytest.importorskip("outlines_core")


@pytest.fixture(scope="module")
def model():
    return tiny_bytes(max_sequence_length=64)


@pytest.mark.parametrize("expression", ["[0-9]{2}-(é|[a-c]){1,5}", "yes|no", "ü{3}"])
def test_what_is_written_matches(model, expression):
    texts = model.generate(
        ["x"] * 16, seed=1, max_new_tokens=40, constraint=Regex(expression)
    )
    assert all(re.fullmatch(expression, text[1:]) for text in texts)
    assert len(set(texts)) > 1 or expression == "ü{3}"


def test_what_a_schema_allows_is_written(model):
    schema = {
        "type": "object",
        "properties": {"age": {"type": "integer"}, "ok": {"type": "boolean"}},
        "required": ["age", "ok"],
    }
    # Digits without an end are cut off: make them unlikely.
    bias = {digit: -3.0 for digit in b"0123456789"}
    texts = model.generate(
        ["x"] * 8,
        seed=1,
        max_new_tokens=63,
        constraint=JSONSchema.of(schema),
        logit_bias=bias,
    )
    for text in texts:
        value = json.loads(text[1:])
        assert isinstance(value["age"], int)
        assert isinstance(value["ok"], bool)


def test_tokens_of_several_characters_are_followed():
    tokenizer = tg.data.tokenizers.BPETokenizer.train(
        ["ab abc abcd 12 123 éé"] * 20, vocabulary_size=300
    )
    model = tiny(tokenizer=tokenizer, max_sequence_length=32)
    expression = "(abc|é|12)+3"
    texts = model.generate(
        ["a"] * 16, seed=1, max_new_tokens=31, constraint=Regex(expression)
    )
    ended = [t[1:] for t in texts if t.endswith("3")]
    assert ended
    assert all(re.fullmatch(expression, text) for text in ended)


def test_the_table_is_that_of_the_library(model):
    automaton = Regex("a[bc]").automaton(model)
    state = tf.constant([0])
    logits = tf.zeros((1, model.vocabulary_size))
    allowed = []
    for token in b"ac":
        kept = automaton.restrict(logits, state).numpy()[0]
        allowed.append(np.flatnonzero(kept == 0).tolist())
        state = automaton.advance(state, tf.constant([token]))
    kept = automaton.restrict(logits, state).numpy()[0]
    allowed.append(np.flatnonzero(kept == 0).tolist())
    assert allowed == [[ord("a")], [ord("b"), ord("c")], [model.end_token]]
    # Nearly all bytes are alike.
    assert automaton.transitions.shape[1] < 8


def test_joined_automata_stay_apart(model):
    parts = [Regex("ab").automaton(model), Regex("[b-d]+").automaton(model)]
    joined, starts = join(parts)
    logits = tf.zeros((2, model.vocabulary_size))
    states = tf.constant(starts)
    alone = tf.constant([0, 0])
    for tokens in ([ord("a"), ord("c")], [ord("b"), ord("d")]):
        kept = joined.restrict(logits, states)
        for i, part in enumerate(parts):
            own = part.restrict(logits[:1], alone[i : i + 1])
            np.testing.assert_array_equal(kept[i], own[0])
        states = joined.advance(states, tf.constant(tokens))
        alone = tf.stack(
            [
                part.advance(alone[i : i + 1], tf.constant(tokens[i : i + 1]))[0]
                for i, part in enumerate(parts)
            ]
        )
    free = joined.restrict(logits, tf.constant([-1, -1]))
    np.testing.assert_array_equal(free, logits)


def test_grammars_of_an_export_are_chosen_by_row(model):
    options = {
        "max_prompt_tokens": 8,
        "max_new_tokens": 12,
        "token_buckets": (),
        "chunk_tokens": 5,
        "grammars": {"digits": Regex("[0-9]{3}"), "word": Regex("[a-z]{2,4}!")},
    }
    signatures = model.serving_signatures(**options)
    advanced = signatures["generate_advanced"]

    def sentinels(signature, n):
        return {
            name: np.full(
                (n, *spec.shape[1:]),
                np.nan if spec.dtype.is_floating else -1,
                spec.dtype.as_numpy_dtype,
            )
            for name, spec in signature.inputs.items()
            if spec.dtype != tf.string
        }

    rows = sentinels(advanced, 3) | {
        "prompts": np.array(["a", "b", "c"], object),
        "seed": np.array([1, 2, 3]),
        "grammar": np.array([1, 2, -1], np.int32),
    }
    answer = advanced.function(**{k: tf.constant(v) for k, v in rows.items()})
    texts = [text.decode() for text in answer["texts"].numpy()]
    assert re.fullmatch("a[0-9]{3}", texts[0])
    assert re.fullmatch("b[a-z]{2,4}!", texts[1])
    assert not re.fullmatch("c([0-9]{3}|[a-z]{2,4}!)", texts[2])
    # In chunks, too, although the automaton's state does not travel.
    chunk = signatures["decode_chunk"]
    rows = sentinels(chunk, 2) | {
        "seed": np.array([1, 2]),
        "grammar": np.array([1, 2], np.int32),
        "tokens": np.zeros((2, 20), np.int32),
        "num_tokens": np.ones(2, np.int32),
        "num_written": np.zeros(2, np.int32),
    }
    rows["tokens"][:, 0] = [ord("a"), ord("b")]
    for _ in range(3):
        answer = chunk.function(**{k: tf.constant(v) for k, v in rows.items()})
        counts = answer["num_new_tokens"].numpy()
        for i, count in enumerate(counts):
            start = rows["num_tokens"][i]
            new = answer["new_tokens"].numpy()[i, :count]
            rows["tokens"][i, start : start + count] = new
        rows["num_tokens"] = rows["num_tokens"] + counts
        rows["num_written"] = rows["num_written"] + counts
        if answer["is_done"].numpy().all():
            break
    chunked = [
        bytes(row[:count].astype(np.uint8)).decode()
        for row, count in zip(rows["tokens"], rows["num_tokens"], strict=True)
    ]
    assert chunked == texts[:2]
    # What the grammar could not have written is refused, not written on freely.
    rows["tokens"][0, 1], rows["num_written"] = ord("x"), np.ones(2, np.int32)
    rows["num_tokens"] = np.full(2, 2, np.int32)
    answer = chunk.function(**{k: tf.constant(v) for k, v in rows.items()})
    errors = answer["error"].numpy().tolist()
    assert errors[0].startswith(b"num_written: written tokens that match the grammar")
    assert errors[1] == b""
    assert answer["is_done"].numpy()[0]


@pytest.mark.parametrize("expression", ["(", "(?=a)b"])
def test_expressions_that_make_no_sense_are_refused(model, expression):
    with pytest.raises(ConfigError, match="Received: Regex"):
        model.generate(["a"], constraint=Regex(expression))


def test_expressions_that_no_text_can_match_are_refused():
    model = tiny(tokenizer=tg.data.tokenizers.CharTokenizer.train("abc"))
    with pytest.raises(ConfigError, match="z"):
        model.generate(["a"], max_new_tokens=2, constraint=Regex("z"))


def test_a_schema_that_makes_no_sense_is_refused(model):
    with pytest.raises(ConfigError, match="schema="):
        model.generate(["a"], constraint=JSONSchema.of({"type": "unheard of"}))


def test_a_model_without_tokenizer_is_refused():
    with pytest.raises(ValueError, match="tokenizer=None"):
        tiny().generate_tokens([[1]], max_new_tokens=2, constraint=Regex("a"))
