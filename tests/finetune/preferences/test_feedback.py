import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax

import tfgenai as tg
from tfgenai.core.errors import DataError
from tfgenai.finetune.lora import adapter_names
from tfgenai.finetune.preferences.feedback import tune_on_feedback
from tfgenai.finetune.preferences.records import Preference, write_preferences

LETTERS = "abcdefgh"


def _gpt():
    return tg.GPT(
        tokenizer=tg.data.tokenizers.CharTokenizer(LETTERS),
        max_sequence_length=16,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        ema_decay=0.9,
    )


def _feedback(model, n):
    """Two answers to each prompt; the one with more `a` is better."""
    prompts = [LETTERS[i % 8] + LETTERS[i // 8 % 8] for i in range(n)]
    texts = [model.generate(prompts, seed=s, max_new_tokens=8) for s in (1, 2)]
    return [
        Preference(
            prompt=prompt,
            chosen=max(pair, key=lambda t: t.count("a")),
            rejected=min(pair, key=lambda t: t.count("a")),
        )
        for prompt, *pair in zip(
            prompts, *([t[2:] for t in each] for each in texts), strict=True
        )
        if all(pair) and pair[0].count("a") != pair[1].count("a")
    ]


def _pairs():
    return [
        Preference(prompt=first + second, chosen="abc", rejected="de")
        for first in "abcd"
        for second in "efgh"
    ]


@pytest.mark.slow
def test_from_a_file_of_feedback_to_a_new_version(tmp_path):
    model = _gpt()
    model.export_serving(tmp_path / "served", warmup_batch_sizes=(1,))
    pairs = _feedback(model, 256)
    file = write_preferences(tmp_path / "feedback.jsonl", pairs)
    prompts = [a + b for a in LETTERS for b in LETTERS]
    base = model.generate(prompts, seed=9, max_new_tokens=8)
    report = tune_on_feedback(
        model,
        file,
        export_to=tmp_path / "served",
        beta=0.1,
        epochs=8,
        learning_rate=0.01,
        num_samples=256,
        max_new_tokens=8,
        verbose=False,
        warmup_batch_sizes=(1,),
    )
    assert report["export"] == str(tmp_path / "served" / "2")
    assert report["num_preferences"] + report["num_held_out"] == len(pairs)
    assert report["after"]["loss"] < report["before"]["loss"]
    counts = [
        np.array([text[2:].count("a") for text in texts])
        for texts in (base, model.generate(prompts, seed=9, max_new_tokens=8))
    ]
    assert counts[1].mean() > counts[0].mean() + counts[0].std()
    # An answer cannot gain more than it can lose: 8 tokens of log 8 nats at most.
    assert 0 < report["kl"] < 10
    assert report["kl_standard_error"] < 0.5
    # What is served is what was tuned.
    served = tf.saved_model.load(report["export"]).signatures["generate"]
    answer = served(prompts=tf.constant(prompts[:4]), seed=tf.range(4, dtype=tf.int64))
    expected = model.generate(prompts[:4], seed=list(range(4)))
    assert [text.decode() for text in answer["texts"].numpy()] == expected


@pytest.mark.parametrize("lora", [None, {"rank": 2}])
def test_the_divergence_is_from_where_it_began(lora):
    report = tune_on_feedback(
        _gpt(),
        _pairs(),
        lora=lora,
        epochs=1,
        learning_rate=1e-9,
        num_samples=8,
        verbose=False,
    )
    assert report["export"] is None
    assert abs(report["kl"]) < 1e-3
    assert report["after"]["loss"] == pytest.approx(np.log(2), abs=1e-4)


def _answers(model, prompt, length):
    """All answers of at most so many tokens, with their log-probabilities."""
    tokens = [*model.tokenizer.encode(prompt)]
    going, done = [((), 0.0)], []
    for _ in range(length):
        rows = np.array([[*tokens, *answer] for answer, _ in going], np.int32)
        log_p = log_softmax(model(rows).numpy()[:, -1].astype(np.float64), -1)
        longer = [
            ((*answer, token), before + now)
            for (answer, before), row in zip(going, log_p, strict=True)
            for token, now in enumerate(row)
        ]
        done += [each for each in longer if each[0][-1] == model.end_token]
        going = [each for each in longer if each[0][-1] != model.end_token]
    return dict(done + going)


def test_the_divergence_is_that_over_all_answers():
    """All answers of two tokens, which may end after the first, are enumerated."""
    model = _gpt()
    # At first it likes to end, which the preferences make it unlearn.
    vectors = model.hidden_states(tf.constant([[0], [1]])).numpy()[:, 0].mean(0)
    table = model.decoder.token_embedding.numpy()
    table[model.end_token] = 2.0 * vectors / (vectors @ vectors)
    model.decoder.token_embedding.assign(table)
    model.ema.follow(model.weights)
    pairs = [
        Preference(prompt=prompt, chosen=chosen, rejected="d")
        for prompt, answers in (("a", "bc"), ("b", "abc"))
        for chosen in answers
    ]
    base = {prompt: _answers(model, prompt, 2) for prompt in "ab"}
    report = tune_on_feedback(
        model,
        pairs,
        held_out=0.5,
        epochs=10,
        learning_rate=0.02,
        num_samples=2000,
        max_new_tokens=2,
        verbose=False,
    )
    prompt = {2: "a", 3: "b"}[report["num_held_out"]]
    tuned = _answers(model, prompt, 2)
    assert len(tuned) == 1 + 8 * 9
    exact = sum(np.exp(p) * (p - base[prompt][answer]) for answer, p in tuned.items())
    assert exact > 0.05
    assert abs(report["kl"] - exact) < 4 * report["kl_standard_error"]
    assert report["kl_standard_error"] < 0.05


@pytest.mark.slow
def test_a_file_is_tuned_as_the_model_in_it(tmp_path):
    model = _gpt()
    file = write_preferences(tmp_path / "feedback.jsonl", _pairs())
    model.save(tmp_path / "model.keras")
    model.save_to_preset(tmp_path / "preset")
    before = (tmp_path / "model.keras").read_bytes()
    reports = [
        tune_on_feedback(each, file, learning_rate=0.01, num_samples=8, verbose=False)
        for each in (tmp_path / "model.keras", str(tmp_path / "preset"), model)
    ]
    assert reports[0]["kl"] != 0.0
    for report in reports[1:]:
        assert report["after"] == pytest.approx(reports[0]["after"], rel=1e-4)
        assert report["kl"] == pytest.approx(reports[0]["kl"], rel=1e-3)
    assert (tmp_path / "model.keras").read_bytes() == before
    # The reference was measured once: for the rows to train on and those held out.
    assert len(list((tmp_path / "feedback.jsonl.reference").iterdir())) == 2


@pytest.mark.slow
def test_an_adapter_goes_on_where_it_was(tmp_path):
    model = _gpt()
    options = {"num_samples": 4, "verbose": False, "learning_rate": 0.01}
    export = {"export_to": tmp_path, "warmup_batch_sizes": (1,)}
    first = tune_on_feedback(model, _pairs(), lora={"rank": 2}, **options, **export)
    assert first["export"] == str(tmp_path / "1")
    with pytest.raises(ValueError, match="Leave lora out"):
        tune_on_feedback(model, _pairs(), lora={"rank": 2}, **options)
    second = tune_on_feedback(model, _pairs(), **options, **export)
    assert second["export"] == str(tmp_path / "2")
    served = tf.saved_model.load(second["export"]).signatures["generate"]
    answer = served(prompts=tf.constant(["ab", "c"]), seed=tf.range(2, dtype=tf.int64))
    texts = [text.decode() for text in answer["texts"].numpy()]
    assert texts == model.generate(["ab", "c"], seed=[0, 1])


def test_what_is_refused_leaves_the_model_as_it_was(tmp_path):
    model = _gpt()
    weights = [v.numpy() for v in model.weights]
    pairs = _pairs()
    lora = {"rank": 2}
    for wrong, words in (
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"num_samples": 0}, "num_samples=0"),
        ({"max_new_tokens": 0}, "max_new_tokens=0"),
        ({"learning_rate": 0.0}, r"learning_rate=0\.0"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"held_out": 1.5}, r"held_out=1\.5"),
        ({"method": "ppo"}, "ppo"),
    ):
        with pytest.raises(ValueError, match=words):
            tune_on_feedback(model, pairs, lora=lora, **wrong)
    longer = Preference(prompt="a", chosen="b" * 30, rejected="h")
    file = write_preferences(tmp_path / "x.jsonl", [*pairs, longer])
    with pytest.raises(DataError, match=r"1 and 30 in .*x\.jsonl, line 17"):
        tune_on_feedback(model, file, lora=lora)
    with pytest.raises(TypeError, match="Dense"):
        tune_on_feedback(keras.layers.Dense(1), pairs)
    assert adapter_names(model) == []
    for before, after in zip(weights, model.weights, strict=True):
        np.testing.assert_array_equal(before, after)


def test_too_little_feedback_is_refused():
    model = _gpt()
    pairs = [Preference(prompt="a", chosen=c, rejected="h") for c in "bcd"]
    with pytest.raises(DataError, match="3 preferences on 1"):
        tune_on_feedback(model, pairs)
