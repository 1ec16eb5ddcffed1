"""Scores and embeddings against whole passes, whatever else is in the batch."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_gpt import (
    BLOCK,
    END,
    MODERN,
    VOCABULARY,
    draw,
    log_softmax,
    tiny,
    tiny_bytes,
)

from tfgenai.gpt import scoring


@pytest.mark.parametrize("options", [{}, MODERN], ids=["gpt2", "modern"])
def test_scores_are_log_probabilities_of_each_token_given_those_before(options):
    model = tiny(**options)
    texts = [draw(n, seed=n) for n in (BLOCK, 1, 2, 5)]
    texts[0][3] = END  # documents in one text
    scores = model.score(texts)
    for text, score in zip(texts, scores, strict=True):
        assert score.shape == (len(text) - 1,)
        log_probs = log_softmax(model(tf.constant([text])).numpy()[0].astype("float64"))
        expected = [log_probs[i, token] for i, token in enumerate(text[1:])]
        np.testing.assert_allclose(score, expected, atol=1e-4)


def test_scores_of_all_continuations_sum_to_one():
    model = tiny()
    scores = model.score([[3, 4, token] for token in range(12)])
    assert np.exp([score[1] for score in scores]).sum() == pytest.approx(1.0, abs=1e-5)


def test_embeddings_are_means_of_hidden_states():
    model = tiny()
    texts = [draw(n, seed=n) for n in (3, 1, BLOCK)]
    vectors = model.embed(texts)
    assert vectors.shape == (3, 16)
    for text, vector in zip(texts, vectors, strict=True):
        hidden = model.hidden_states(tf.constant([text])).numpy()
        np.testing.assert_allclose(vector, hidden.mean((0, 1)), atol=1e-5)


def test_the_size_of_a_batch_does_not_matter():
    model = tiny()
    texts = [draw(n, seed=n) for n in range(1, 6)]
    for together, in_twos in zip(
        model.score(texts), model.score(texts, batch_size=2), strict=True
    ):
        np.testing.assert_allclose(together, in_twos, atol=1e-5)
    np.testing.assert_allclose(
        model.embed(texts), model.embed(texts, batch_size=2), atol=1e-5
    )


def test_texts_are_their_tokens():
    model = tiny_bytes()
    (text,), (tokens,) = model.score("né"), model.score([[110, 195, 169]])
    np.testing.assert_array_equal(text, tokens)
    assert text.shape == (2,)


def test_the_averaged_weights_are_used():
    model = tiny(ema_decay=0.5)
    for weight, average in model.ema.pairs:
        average.assign(weight)
    expected = model.score([[1, 2, 3]])[0], model.embed([[1, 2, 3]])
    for weight in model.decoder.weights:
        weight.assign(0.1 * weight)
    np.testing.assert_array_equal(model.score([[1, 2, 3]])[0], expected[0])
    np.testing.assert_array_equal(model.embed([[1, 2, 3]]), expected[1])


@pytest.mark.parametrize("function", ["score", "embed"])
@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([""], r"texts\[0\], which is empty"),
        (["x" * 17], r"At most 16 tokens.*of 17"),
        ([[1, 300]], r"\[0, 257\).*300"),
    ],
)
def test_bad_texts_are_refused(function, texts, words):
    with pytest.raises(ValueError, match=words):
        getattr(tiny_bytes(), function)(texts)


def test_errors_name_the_method_that_was_called():
    with pytest.raises(ValueError, match="expected for score"):
        tiny().score(["a"])
    with pytest.raises(TypeError, match="texts=3"):
        tiny().embed(3)


def test_batches_are_small_where_logits_are_large(monkeypatch):
    model, texts = tiny(), [draw(n, seed=n).tolist() for n in range(1, 8)]
    expected = model.score(texts)
    monkeypatch.setattr(scoring, "_LOGITS", 2 * 16 * VOCABULARY)
    sizes = []
    run = model.run_in_batches
    monkeypatch.setattr(
        model, "run_in_batches", lambda *a: sizes.append(a[-1]) or run(*a)
    )
    for row, found in zip(expected, model.score(texts), strict=True):
        np.testing.assert_allclose(found, row, atol=1e-5)
    assert sizes[-1] <= 4
