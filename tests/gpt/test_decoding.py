"""TokenLoop against a plain Python loop of whole passes, in one piece and in chunks."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_gpt import (
    BLOCK,
    END,
    MODERN,
    VOCABULARY,
    WINDOW,
    draw,
    last_logits,
    log_softmax,
    shared,
    write_greedily,
)

from tfgenai.gpt.automaton import Automaton
from tfgenai.gpt.decoding import TokenLoop
from tfgenai.gpt.knobs import bias_knobs, knob_conditions, stop_knobs

KINDS = {
    "gpt2": {},
    "modern": MODERN,
    "window": WINDOW,
    "odd_length": {**MODERN, **WINDOW, "max_sequence_length": 7},
}
kinds = pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)


def write(model, prompts, *, new=20, slots=BLOCK, jit_compile=False, loop=None, **rows):
    """The loop on rows whose knobs are at their defaults unless given."""
    n = len(prompts)
    known = knob_conditions(VOCABULARY, max_new_tokens=64, default_new_tokens=new)
    given = {
        c.name: c.to_array(rows.pop(c.name, np.full(c.shape, c.default)), n)
        for c in known
    }
    given |= {"seed": np.arange(n, dtype=np.int64), "grammar": np.full(n, -1, np.int32)}
    given |= {name: np.asarray(value) for name, value in rows.items()}
    array = np.full((n, slots), 5, np.int32)  # what is behind a prompt means nothing
    for row, prompt in zip(array, prompts, strict=True):
        row[: len(prompt)] = prompt
    count = np.array([len(prompt) for prompt in prompts], np.int32)
    loop = TokenLoop(
        model.decoder, new, **{"end_token": model.end_token, **(loop or {})}
    )
    tensors = (
        tf.constant(array),
        tf.constant(count),
        {name: tf.constant(value) for name, value in given.items()},
    )
    # For any number of rows, as a model traces it: one graph for many tests.
    graphs = model.__dict__.setdefault("graphs", {})
    key = loop, slots, jit_compile
    if key not in graphs:
        function = tf.function(loop.write, autograph=False, jit_compile=jit_compile)
        graphs[key] = function.get_concrete_function(
            *tf.nest.map_structure(
                lambda t: tf.TensorSpec((None, *t.shape[1:]), t.dtype), tensors
            )
        )
    return graphs[key](*tensors)


def texts(written):
    return [
        row[:count].tolist()
        for row, count in zip(
            written.tokens.numpy(), written.num_tokens.numpy(), strict=True
        )
    ]


def prompts_of_every_length(limit=BLOCK):
    return [draw(n, seed=n).tolist() for n in range(1, limit + 1)]


PROMPTS = prompts_of_every_length()


@kinds
def test_greedy_texts_are_those_of_whole_passes_far_beyond_the_context(options):
    model = shared(**options)
    prompts = prompts_of_every_length(model.max_sequence_length)
    written = write(model, prompts, temperature=0.0, new=20)
    expected = [write_greedily(model, prompt, 20) for prompt in prompts]
    assert texts(written) == expected
    # texts outgrew the context, and some did not
    lengths = [len(p) + len(new) for p, new in zip(prompts, expected, strict=True)]
    assert max(lengths) > 2 * model.max_sequence_length
    for row, new in enumerate(expected):
        assert bool(written.is_stopped[row]) == (len(new) < 20)
        assert not written.tokens.numpy()[row, len(new) :].any()


@kinds
def test_log_probabilities_are_those_of_whole_passes(options):
    model = shared(**options)
    prompts = prompts_of_every_length(model.max_sequence_length)
    written = write(model, prompts, new=14)
    for row, new in enumerate(texts(written)):
        text = list(prompts[row])
        for i, token in enumerate(new):
            expected = log_softmax(last_logits(model, text))[token]
            found = float(written.log_probs[row, i])
            assert found == pytest.approx(expected, abs=1e-4)
            text.append(token)
        assert not written.log_probs.numpy()[row, len(new) :].any()
    assert max(map(len, texts(written))) == 14


def test_a_context_of_one_token_is_enough():
    model = shared(max_sequence_length=1)
    written = write(model, [[3], [4]], temperature=0.0, new=6, slots=1)
    expected = [write_greedily(model, prompt, 6) for prompt in ([3], [4])]
    assert texts(written) == expected


@pytest.mark.parametrize("end_token", [None, END])
@pytest.mark.parametrize("chunk", [1, 4])
def test_texts_in_chunks_are_those_at_once(chunk, end_token):
    model, prompts, total = shared(**MODERN, end_token=end_token), PROMPTS, 15
    knobs = {"temperature": 1.3, "repetition_penalty": 1.2}
    whole = texts(write(model, prompts, new=total, **knobs))
    so_far, done = [list(prompt) for prompt in prompts], [False] * len(prompts)
    for number in range(0, total, chunk):
        written = write(
            model,
            so_far,
            new=chunk,
            slots=BLOCK + total,
            num_written=np.full(len(prompts), number, np.int32),
            max_new_tokens=min(chunk, total - number),
            loop={"max_written": total},
            **knobs,
        )
        for row, new in enumerate(texts(written)):
            if not done[row]:
                so_far[row] += new
                done[row] = bool(written.is_stopped[row])
    found = [text[len(p) :] for text, p in zip(so_far, prompts, strict=True)]
    assert found == whole
    lengths = {len(text) for text in whole}
    assert lengths == {total} if end_token is None else min(lengths) < total


def test_a_row_does_not_notice_its_neighbours():
    model, prompts = shared(), PROMPTS
    together = texts(write(model, prompts, top_p=[1.0] * 7 + [0.5], new=12))
    for row in (0, 5):
        alone = write(model, [prompts[row]], seed=np.array([row]), new=12)
        assert texts(alone) == [together[row]]


def test_rows_end_when_they_have_what_they_asked_for():
    model = shared(end_token=None)
    written = write(
        model, [[1], [2], [3]], new=9, max_new_tokens=[1, 9, 4], temperature=0.0
    )
    assert written.num_tokens.numpy().tolist() == [1, 9, 4]
    assert texts(written) == [
        write_greedily(model, [first], n) for first, n in ((1, 1), (2, 9), (3, 4))
    ]
    assert not written.is_stopped.numpy().any()


def test_stop_tokens_end_a_row_and_are_not_part_of_it():
    model = shared(end_token=None)
    free = write_greedily(model, [1], 12)
    stop = free[5]
    knobs = stop_knobs([stop, 0])
    written = write(
        model,
        [[1], [1]],
        new=12,
        temperature=0.0,
        stop_tokens=np.stack([knobs["stop_tokens"]] * 2),
        num_stop_tokens=[1, 0],
    )
    assert texts(written) == [free[: free.index(stop)], free]
    assert written.is_stopped.numpy().tolist() == [True, False]


def test_biased_logits_are_those_of_numpy():
    model, prompts = shared(), [[1, 2], [3]]
    bias = {4: 3.0, 0: -50.0, END: -1e4}

    def change(text, logits):
        for token, value in bias.items():
            logits[token] += value
        return logits

    knobs = {name: np.stack([value] * 2) for name, value in bias_knobs(bias).items()}
    written = write(model, prompts, new=15, temperature=0.0, **knobs)
    expected = [write_greedily(model, prompt, 15, change) for prompt in prompts]
    assert texts(written) == expected
    assert all(len(text) == 15 and 0 not in text for text in expected)
    assert expected != [write_greedily(model, prompt, 15) for prompt in prompts]


@pytest.mark.parametrize("penalty", [1.7, 0.6])
def test_the_repetition_penalty_is_that_of_numpy(penalty):
    model, prompts = shared(), PROMPTS

    def change(text, logits):
        for token in set(text):
            factor = 1 / penalty if logits[token] > 0 else penalty
            logits[token] *= factor
        return logits

    written = write(model, prompts, new=12, temperature=0.0, repetition_penalty=penalty)
    expected = [write_greedily(model, prompt, 12, change) for prompt in prompts]
    assert texts(written) == expected
    assert expected != [write_greedily(model, prompt, 12) for prompt in prompts]


def test_what_a_loop_leaves_out_changes_nothing():
    model, prompts = shared(), PROMPTS
    lean = {"uses_penalty": False, "uses_bias": False}
    for knobs in ({"temperature": 0.0}, {}):
        full = write(model, prompts, new=10, **knobs)
        assert texts(full) == texts(write(model, prompts, new=10, loop=lean, **knobs))


@kinds
def test_a_prompt_of_several_documents_is_its_last_one(options):
    model = shared(**options)
    last = [END, 3, 4]
    prompts = [[1, 2, *last], [5, END, 7, *last], last]
    written = write(model, prompts, temperature=0.0, new=12)
    first, second, third = texts(written)
    assert first == second == third
    visible = tf.constant([prompts[1]])  # a whole pass says the same
    np.testing.assert_allclose(
        model(visible)[0, -1], last_logits(model, last), atol=1e-4
    )
    assert third == write_greedily(model, last, 12)


def test_an_automaton_decides_what_may_come():
    # tokens 0 and 1 in turn, then 2 for ever; the rest never comes
    classes = np.full(VOCABULARY, 3, np.int32)
    classes[:3] = 0, 1, 2
    automaton = Automaton(
        np.array([[1, -1, -1, -1], [-1, 2, -1, -1], [-1, -1, 2, -1]], np.int32), classes
    )
    model = shared()
    written = write(
        model,
        [[5, 6], [5, 6], [7]],
        new=6,
        temperature=2.0,
        grammar=np.array([0, -1, 1], np.int32),
        loop={"automaton": automaton},
    )
    first, free, from_1 = texts(written)
    assert first == [0, 1, 2, 2, 2, 2]
    assert from_1 == [1, 2, 2, 2, 2, 2]
    plain = write(model, [[5, 6], [5, 6], [7]], new=6, temperature=2.0)
    assert free == texts(plain)[1]
    np.testing.assert_allclose(written.log_probs[0], 0.0, atol=1e-5)


@pytest.mark.slow
def test_the_compiled_loop_writes_the_same():
    model, prompts = shared(**MODERN), PROMPTS
    plain = write(model, prompts, new=12)
    compiled = write(model, prompts, new=12, jit_compile=True)
    assert texts(plain) == texts(compiled)
    np.testing.assert_allclose(plain.log_probs, compiled.log_probs, atol=1e-4)
