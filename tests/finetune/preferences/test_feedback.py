import numpy as np
import pytest

import tfgenai as tg
from tfgenai.core.errors import DataError
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
    import tensorflow as tf

    served = tf.saved_model.load(report["export"]).signatures["generate"]
    answer = served(prompts=tf.constant(prompts[:4]), seed=tf.range(4, dtype=tf.int64))
    expected = model.generate(prompts[:4], seed=list(range(4)))
    assert [text.decode() for text in answer["texts"].numpy()] == expected


@pytest.mark.parametrize("lora", [None, {"rank": 2}])
def test_the_divergence_is_from_where_it_began(lora):
    model = _gpt()
    pairs = _feedback(model, 64)
    report = tune_on_feedback(
        model,
        pairs,
        lora=lora,
        epochs=1,
        learning_rate=1e-9,
        num_samples=8,
        verbose=False,
    )
    assert report["export"] is None
    assert abs(report["kl"]) < 1e-3
    assert report["after"]["loss"] == pytest.approx(np.log(2), abs=1e-4)


def test_too_little_feedback_is_refused():
    model = _gpt()
    pairs = [Preference(prompt="a", chosen=c, rejected="h") for c in "bcd"]
    with pytest.raises(DataError, match="3 preferences on 1"):
        tune_on_feedback(model, pairs)
    with pytest.raises(ValueError, match=r"held_out=1\.5"):
        tune_on_feedback(model, pairs, held_out=1.5)
