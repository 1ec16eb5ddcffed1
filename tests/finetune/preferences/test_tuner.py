import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, log_expit, log_softmax

import tfgenai as tg
from tfgenai.core.errors import DataError
from tfgenai.finetune.lora import apply_lora
from tfgenai.finetune.preferences.answers import (
    answer_log_probs,
    reference_log_probs,
    to_answers,
)
from tfgenai.finetune.preferences.records import Preference
from tfgenai.finetune.preferences.tuner import PreferenceTuner
from tfgenai.layers.layer_tree import base_variables


def _gpt(**kwargs):
    return tg.GPT(
        tokenizer=tg.data.tokenizers.CharTokenizer("abcdefgh "),
        max_sequence_length=12,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        **kwargs,
    )


PAIRS = [
    Preference(prompt="ab", chosen="cde", rejected="h"),
    Preference(prompt="a", chosen="gg", rejected="hhh", weight=3.0),
    Preference(prompt="bad ", chosen="c", rejected="fed"),
]


def _log_prob(model, prompt, answer):
    """In NumPy: the sum of the answer's log-probabilities, one sequence by itself."""
    before, behind = (model.tokenizer.encode(text) for text in (prompt, answer))
    tokens = np.concatenate([before, behind])
    logits = model(tokens[np.newaxis, :-1].astype(np.int32)).numpy()[0]
    log_probs = log_softmax(logits.astype(np.float64), -1)
    places = np.arange(len(before) - 1, len(tokens) - 1)
    return log_probs[places, tokens[places + 1]].sum()


def test_log_probabilities_are_the_answers_alone():
    model = _gpt()
    pairs = [(p.prompt, p.chosen) for p in PAIRS] + [("h", "hah bad")]
    answers = to_answers(model, pairs, ["row"] * 4)
    expected = [_log_prob(model, *pair) for pair in pairs]
    np.testing.assert_allclose(
        reference_log_probs(model, answers, batch_size=3), expected, rtol=1e-5
    )
    np.testing.assert_allclose(answer_log_probs(model, *answers), expected, rtol=1e-5)


def test_before_training_no_answer_has_gained():
    tuner = PreferenceTuner(_gpt(ema_decay=0.9))
    rows = tuner.data(PAIRS, batch_size=2)
    tuner.compile("sgd", jit_compile=False)
    figures = tuner.evaluate(rows.batches(), return_dict=True, verbose=0)
    np.testing.assert_allclose(figures["loss"], np.log(2), rtol=1e-5)
    for name in ("margin", "chosen_reward", "rejected_reward", "kl"):
        assert abs(figures[name]) < 1e-5


@pytest.mark.parametrize("method", ["dpo", "ipo"])
def test_the_loss_is_that_of_single_answers_weighted(method):
    model = _gpt()
    tuner = PreferenceTuner(model, method=method, beta=0.5, sft_weight=0.1)
    rows = tuner.data(PAIRS, batch_size=3)
    model.decoder.token_embedding.assign_add(
        0.3 * np.sin(np.arange(10 * 16)).reshape(10, 16)
    )
    x, y, weight = rows.arrays
    losses = tuner.compute_losses(
        tf.nest.map_structure(tf.constant, x),
        tf.constant(y),
        tf.constant(weight),
        seed=None,
        training=False,
    )
    reference = x["reference"].astype(np.float64)
    chosen = np.array([_log_prob(model, p.prompt, p.chosen) for p in PAIRS])
    rejected = np.array([_log_prob(model, p.prompt, p.rejected) for p in PAIRS])
    gap = (chosen - reference[:, 0]) - (rejected - reference[:, 1])
    each = -log_expit(0.5 * gap) if method == "dpo" else (gap - 1.0) ** 2
    each += 0.1 * -chosen / np.array([3, 2, 1])
    np.testing.assert_allclose(
        losses["loss"], np.average(each, weights=[1, 3, 1]), rtol=1e-4
    )
    np.testing.assert_allclose(
        losses["accuracy"], np.average(gap > 0, weights=[1, 3, 1]), rtol=1e-6
    )
    ratios = np.stack([chosen, rejected], 1) - reference
    np.testing.assert_allclose(losses["kl"], -ratios.mean(), rtol=1e-4, atol=1e-5)
    # Batches of one: weights count as much as in a batch of all.
    tuner.compile("sgd", jit_compile=False)
    alone = tf.data.Dataset.from_tensor_slices(rows.arrays).batch(1)
    figures = tuner.evaluate(alone, return_dict=True, verbose=0)
    np.testing.assert_allclose(figures["loss"], losses["loss"], rtol=1e-5)


@pytest.mark.parametrize("shift", [0.3, -0.3])
def test_ktos_loss_has_the_divergence_of_answers_to_others(shift):
    """Ethayarajh et al. 2024, equation 8, in NumPy; z is not below 0."""
    model = _gpt()
    tuner = PreferenceTuner(model, method="kto", beta=0.5)
    rows = tuner.data(PAIRS, batch_size=6)
    model.decoder.token_embedding.assign_add(
        shift * np.sin(np.arange(10 * 16)).reshape(10, 16)
    )
    x, liked, weight = rows.arrays
    decode = model.tokenizer.decode
    log_p = np.array(
        [
            [
                _log_prob(model, decode(t[(t >= 0) & ~is_answer]), decode(t[is_answer]))
                for t, is_answer in zip(*row, strict=True)
            ]
            for row in zip(x["tokens"], x["is_answer"], strict=True)
        ]
    )
    own, strangers = (log_p - x["reference"].astype(np.float64)).T
    z = max(0.0, strangers.mean())
    value = expit(0.5 * (own - z) * np.where(liked, 1, -1))
    losses = tuner.compute_losses(
        tf.nest.map_structure(tf.constant, x),
        tf.constant(liked),
        tf.constant(weight),
        seed=None,
        training=False,
    )
    expected = np.average(1 - value, weights=[1, 1, 3, 3, 1, 1])
    np.testing.assert_allclose(losses["loss"], expected, rtol=1e-4)
    np.testing.assert_allclose(losses["kl"], z, rtol=1e-4, atol=1e-5)
    gained = np.average(own[liked], weights=[1, 3, 1])
    np.testing.assert_allclose(losses["chosen_reward"], 0.5 * gained, rtol=1e-3)


def test_ktos_rows_are_answers_each_with_a_strangers():
    tuner = PreferenceTuner(_gpt(), method="kto")
    mixed = [PAIRS[0], Preference(prompt="b", chosen="a"), PAIRS[2]]
    rows = tuner.data(mixed, batch_size=2)
    x, liked, _ = rows.arrays
    assert liked.tolist() == [True, False, True, True, False]
    decode = tuner.model.tokenizer.decode
    texts = [[decode(t[t >= 0]) for t in row] for row in x["tokens"]]
    # A stranger's answer to one's own request.
    assert [row[0] for row in texts] == ["abcde", "abh", "ba", "bad c", "bad fed"]
    assert {texts[0][1], texts[1][1]} <= {"aba", "abc", "abfed"}
    assert texts[2][1] in {"bcde", "bh", "bc", "bfed"}
    assert {texts[3][1], texts[4][1]} <= {"bad cde", "bad h", "bad a"}
    tuner.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    before = tuner.evaluate(rows.batches(), return_dict=True, verbose=0)
    assert before["loss"] == pytest.approx(0.5)  # λ (1 - σ(0))
    tuner.fit(rows, epochs=20, verbose=0)
    after = tuner.evaluate(rows.batches(), return_dict=True, verbose=0)
    assert after["chosen_reward"] > 0 > after["rejected_reward"]


def test_an_adapter_learns_the_pairs_and_the_base_stays():
    model = _gpt()
    apply_lora(model, rank=2, verbose=False)
    base = [v.numpy() for _, v in base_variables(model)]
    tuner = PreferenceTuner(model)
    rows = tuner.data(PAIRS, batch_size=2)
    tuner.compile(keras.optimizers.Adam(0.01))
    tuner.fit(rows, epochs=60, verbose=0)
    figures = tuner.evaluate(rows.batches(), return_dict=True, verbose=0)
    assert figures["accuracy"] == 1.0
    assert figures["loss"] < 0.65  # log 2 at first
    for before, (_, after) in zip(base, base_variables(model), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not(tmp_path):
    def run(epochs, folder):
        model = _gpt()
        tuner = PreferenceTuner(model, sft_weight=0.1)
        rows = tuner.data(PAIRS, batch_size=2)
        tuner.compile(keras.optimizers.Adam(0.01), jit_compile=True)
        tuner.fit(rows, epochs=epochs, verbose=0, callbacks=[tg.train.Backup(folder)])
        return [variable.numpy() for variable in model.weights]

    through = run(4, tmp_path / "through")
    run(2, tmp_path / "stopped")
    for a, b in zip(through, run(4, tmp_path / "stopped"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_averaged_model_writes_as_it_was_tuned():
    model = _gpt(ema_decay=0.999)
    tuner = PreferenceTuner(model)
    tuner.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    tuner.fit(tuner.data(PAIRS, batch_size=3), epochs=2, verbose=0)
    raw = model.decoder.token_embedding.numpy()
    with model.ema.applied():
        np.testing.assert_array_equal(model.decoder.token_embedding.numpy(), raw)


def test_long_requests_lose_their_beginning_when_asked():
    tuner = PreferenceTuner(_gpt(), method="dpo")
    long = [Preference(prompt="abcdefgh" * 2, chosen="bad", rejected="cabbage")]
    with pytest.raises(DataError, match=r"16 and 3 in preference 1.*truncate=True"):
        tuner.data(long)
    rows = tuner.data(long, truncate=True)
    decode = tuner.model.tokenizer.decode
    texts = [decode(t[t >= 0]) for t in rows.arrays[0]["tokens"][0]]
    assert texts == ["ghabcdefghbad"[-13:], "cdefghcabbage"[-13:]]
    assert rows.arrays[0]["is_answer"].sum(-1).tolist() == [[3, 7]]
    with pytest.raises(DataError, match="1 and 13"):
        tuner.data(
            [Preference(prompt="a", chosen="b" * 13, rejected="c")], truncate=True
        )
    # A stranger's answer has the room that it needs, or good answers are refused.
    kto = PreferenceTuner(tuner.model, method="kto")
    kto.data(
        [
            Preference(prompt="a" * 11, chosen="b"),
            Preference(prompt="a", chosen="b" * 11),
        ]
    )


def test_the_reference_is_kept_until_the_weights_or_the_rows_change(tmp_path):
    model = _gpt()
    answers = to_answers(model, [("a", "bc"), ("b", "a")], ["row"] * 2)
    first = reference_log_probs(model, answers, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    np.save(file, first + 1, allow_pickle=False)
    np.testing.assert_array_equal(
        reference_log_probs(model, answers, cache=tmp_path), first + 1
    )
    file.write_bytes(b"torn")
    np.testing.assert_array_equal(
        reference_log_probs(model, answers, cache=tmp_path), first
    )
    other = to_answers(model, [("a", "bd"), ("b", "a")], ["row"] * 2)
    reference_log_probs(model, other, cache=tmp_path)
    model.decoder.token_embedding.assign_add(np.full((10, 16), 0.01))
    reference_log_probs(model, answers, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    (tmp_path / "file").touch()  # no folder can be made in a file
    reference_log_probs(model, answers, cache=tmp_path / "file" / "cache")


def test_mistakes_are_named():
    model = _gpt()
    for wrong, words in (
        ({"method": "ppo"}, "method"),
        ({"beta": 0.0}, "beta=0.0"),
        ({"beta": float("nan")}, "beta=nan"),
        ({"beta": float("inf")}, "beta=inf"),
        ({"method": "ipo", "label_smoothing": 0.1}, "belongs to DPO"),
        ({"label_smoothing": 0.5}, "label_smoothing=0.5"),
        ({"sft_weight": -1.0}, "sft_weight"),
    ):
        with pytest.raises(ValueError, match=words):
            PreferenceTuner(model, **wrong)
    tuner = PreferenceTuner(model)
    for pair, words in (
        (Preference(prompt="a", chosen="b"), "kto"),
        (Preference(condition={"labels": 1}, chosen="b", rejected="c"), "A prompt"),
        (Preference(prompt="a", chosen="b" * 20, rejected="c"), "1 and 20"),
        (Preference(prompt="", chosen="b", rejected="c"), "0 and 1"),
        (Preference(prompt="a", chosen="Z", rejected="c"), "preference 2"),
    ):
        with pytest.raises(DataError, match=words):
            tuner.data([PAIRS[0], pair])
    with pytest.raises(ValueError, match="batch_size=0"):
        tuner.data(PAIRS, batch_size=0)
    without = tg.GPT(9, num_layers=1, num_heads=1, hidden_dim=4)
    with pytest.raises(ValueError, match="tokenizer"):
        PreferenceTuner(without)
