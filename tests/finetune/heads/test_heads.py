"""Heads of every task: losses against NumPy and scikit-learn, files and exports."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax

import tfgenai as tg
from tfgenai.core import random
from tfgenai.core.errors import DataError, NonFiniteLossError
from tfgenai.finetune.freeze import unfreeze
from tfgenai.finetune.heads import (
    ClassifierHead,
    EmbeddingHead,
    Features,
    RegressionHead,
    unfreeze_gradually,
)
from tfgenai.finetune.heads.embedding import contrastive_losses
from tfgenai.finetune.lora import adapted_layers, apply_lora, use_adapter
from tfgenai.layers.layer_tree import base_variables

SHAPE = (8, 8, 1)


def _digits(n=200):
    data = tg.data.load_arrays("digits", split="train")
    x = (data.images[:n].astype(np.float32) / 127.5 - 1.0).reshape(-1, *SHAPE)
    return x, data.labels[:n].astype(np.int32)


def _vae():
    return tg.VAE(SHAPE, 8, hidden_units=(32,))


def _gpt(**kwargs):
    return tg.GPT(
        tokenizer=tg.data.tokenizers.CharTokenizer("abcdef "),
        max_sequence_length=12,
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        **kwargs,
    )


def _base(model):
    return {path: v.numpy() for path, v in base_variables(model)}


def _losses(head, x, y, weight=None):
    return head.compute_losses(x, y, weight, seed=None, training=False)


def test_the_loss_is_the_smoothed_cross_entropy_weighted_by_class():
    x, y = _digits(16)
    class_weights = np.linspace(0.5, 2.0, 10).tolist()
    head = ClassifierHead(_vae(), 10, label_smoothing=0.2, class_weights=class_weights)
    weight = np.linspace(0, 1, 16).astype(np.float32)
    found = _losses(head, x, tf.constant(y), tf.constant(weight))
    log_probs = log_softmax(head(x).numpy().astype(np.float64), -1)
    target = np.eye(10)[y] * 0.8 + 0.02
    each = -(target * log_probs).sum(1)
    expected = (each * weight * np.array(class_weights)[y]).mean()
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)


def test_the_base_stays_and_the_head_learns():
    x, y = _digits()
    base = _vae()
    before = _base(base)
    head = ClassifierHead(base, 10, hidden_dim=32)
    head.compile(keras.optimizers.Adam(0.01))
    history = head.fit(x, y, epochs=15, batch_size=50, verbose=0).history
    assert history["accuracy"][-1] > 0.5 > history["accuracy"][0]
    for path, value in _base(base).items():
        np.testing.assert_array_equal(value, before[path])


def test_the_average_of_the_base_is_what_is_read():
    x, _ = _digits()
    base = tg.VAE(SHAPE, 8, hidden_units=(32,), ema_decay=0.5)
    base.compile("adam")
    base.fit(x, epochs=1, verbose=0)
    encoded = base.encode(x)  # with the average
    head = ClassifierHead(base, 10)
    features = head.features.of(base, x)
    np.testing.assert_allclose(features, encoded, atol=1e-5)


def test_a_probe_is_scikit_learns_answer():
    x, y = _digits()
    head = ClassifierHead(_vae(), 10)
    head.fit_probe(x, y, strength=10.0)
    from sklearn.linear_model import LogisticRegression

    features = head.features_of(x)
    np.testing.assert_allclose(features.mean(1), 0, atol=1e-4)
    model = LogisticRegression(C=10.0, max_iter=2000).fit(features, y)
    np.testing.assert_allclose(
        head.predict_probabilities(x), model.predict_proba(features), atol=2e-3
    )
    two = ClassifierHead(_vae(), 2)
    two.fit_probe(x, (y > 4).astype(np.int32))
    model = LogisticRegression(max_iter=2000).fit(features, y > 4)
    np.testing.assert_allclose(
        two.predict_probabilities(x), model.predict_proba(features), atol=2e-3
    )


def test_regression_finds_a_linear_function_of_the_features():
    x, _ = _digits()
    head = RegressionHead(_vae(), 2)
    y = head.features_of(x)[:, :2] * 3.0 + 1.0
    head.compile(keras.optimizers.Adam(0.05))
    losses = head.fit(x, y, epochs=60, batch_size=50, verbose=0).history["loss"]
    assert losses[-1] < 0.02 * losses[0]
    expected = np.mean((head.predict_rows(x) - y) ** 2)
    np.testing.assert_allclose(
        head.evaluate(x, y, verbose=0, return_dict=True)["loss"], expected, rtol=1e-3
    )


def test_the_contrastive_loss_is_its_formula():
    rng = random.numpy_generator(0)
    vectors = rng.standard_normal((6, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = np.array([0, 1, 0, 2, 1, 0])
    losses, counts = contrastive_losses(
        tf.constant(vectors, tf.float32), tf.constant(labels), 0.5
    )
    for i in range(6):
        others = [j for j in range(6) if j != i]
        total = np.log(sum(np.exp(vectors[i] @ vectors[j] / 0.5) for j in others))
        alike = [j for j in others if labels[j] == labels[i]]
        each = [total - vectors[i] @ vectors[j] / 0.5 for j in alike]
        np.testing.assert_allclose(losses[i], np.mean(each) if alike else 0, rtol=1e-4)
        assert counts[i] == bool(alike)


def test_embeddings_of_a_class_come_together():
    x, y = _digits()
    head = EmbeddingHead(_vae(), 8, hidden_dim=32)

    def gap():
        vectors = head.predict_rows(x)
        similar = vectors @ vectors.T
        alike = (y[:, None] == y) & ~np.eye(len(y), dtype=bool)
        return similar[alike].mean() - similar[y[:, None] != y].mean()

    before = gap()
    head.compile(keras.optimizers.Adam(0.01))
    head.fit(x, y, epochs=15, batch_size=100, verbose=0)
    assert gap() > before + 0.2


def test_gradual_unfreezing_moves_lower_parts_less_and_frozen_ones_not_at_all():
    base = _gpt()
    head = ClassifierHead(base, 2)
    tokens = random.numpy_generator(0).integers(0, 7, (40, 8)).astype(np.int32)
    y = (tokens[:, 0] > 3).astype(np.int32)
    before = _base(base)
    histories = unfreeze_gradually(
        head,
        tf.data.Dataset.from_tensor_slices((tokens, y)).batch(40),
        ("final_norm", "block_1"),
        epochs_per_stage=1,
        learning_rate=0.01,
        decay=4.0,
        make_optimizer=lambda rate: keras.optimizers.Adam(rate, epsilon=1e-12),
        verbose=False,
    )
    assert len(histories) == 3
    moved = {
        path: np.abs(value - before[path]).max() for path, value in _base(base).items()
    }
    for path, distance in moved.items():
        if "block_0" in path or "embedding" in path:
            assert distance == 0.0
    # Adam's first step is the rate: a quarter for the norm, two stages long, and a
    # sixteenth for the block below, in the last stage.
    np.testing.assert_allclose(moved["decoder/final_norm/beta"], 0.005, rtol=0.05)
    kernel = "decoder/block_1/feed_forward/contract/kernel"
    np.testing.assert_allclose(moved[kernel], 0.01 / 16, rtol=0.05)


def test_a_mistake_in_the_last_stage_trains_nothing():
    head = ClassifierHead(_gpt(), 2)
    before = head.output_layer.kernel.numpy()
    data = tf.data.Dataset.from_tensors(
        (np.zeros((2, 4), np.int32), np.zeros(2, np.int32))
    )
    with pytest.raises(ValueError, match="pattern='block_7'"):
        unfreeze_gradually(head, data, ("final_norm", "block_7"), verbose=False)
    np.testing.assert_array_equal(head.output_layer.kernel, before)


def test_a_base_with_an_adapter_is_frozen_until_it_is_asked_to_train(tmp_path):
    base = _gpt()
    apply_lora(base, rank=2, targets="query", verbose=False)
    for _, found in adapted_layers(base):
        found.parts("default")["b"].assign(tf.ones_like(found.parts("default")["b"]))
    unfreeze(base, "final_norm", verbose=False)
    tokens = random.numpy_generator(0).integers(0, 7, (20, 8)).astype(np.int32)
    features = Features().of(base, tokens)
    head = ClassifierHead(base, 2)
    assert not base.trainable_variables
    np.testing.assert_array_equal(head.features.of(base, tokens), features)
    before = [variable.numpy() for variable in base.weights]
    head.compile("sgd")
    y = (tokens[:, 0] > 3).astype(np.int32)
    head.fit(tokens, y, verbose=0)
    for variable, value in zip(base.weights, before, strict=True):
        if "step" not in variable.name:
            np.testing.assert_array_equal(variable, value)
    head.save(tmp_path / "frozen.keras")
    assert not tg.load_model(tmp_path / "frozen.keras").base.trainable_variables
    # Asked for, the adapter trains, and a file knows it.
    use_adapter(base, "default")
    unfreeze(base, "final_norm", verbose=False)
    with pytest.raises(ValueError, match="compile"):
        head.fit(tokens, y, verbose=0)
    asked = len(base.trainable_variables)
    assert asked == 2 * 2 + 2
    head.compile("sgd")
    head.save(tmp_path / "head.keras")
    loaded = tg.load_model(tmp_path / "head.keras")
    assert len(loaded.base.trainable_variables) == asked
    np.testing.assert_array_equal(
        loaded.predict_rows(tokens), head.predict_rows(tokens)
    )


def test_nothing_is_refused():
    head = ClassifierHead(_vae(), 10)
    for run in (head.predict_rows, head.features_of, head.predict_probabilities):
        with pytest.raises(DataError, match=r"x of shape \(0, 8, 8, 1\)"):
            run(np.zeros((0, *SHAPE), np.float32))
    with pytest.raises(DataError, match="One example or more"):
        head.predict_rows([])


def test_fit_after_unfreezing_asks_for_compile():
    x, y = _digits(20)
    head = ClassifierHead(_vae(), 10)
    head.compile()
    head.fit(x, y, verbose=0)
    before = _base(head.base)
    unfreeze(head, "encoder", verbose=False)
    with pytest.raises(ValueError, match="compile"):
        head.fit(x, y, verbose=0)
    head.compile("sgd")
    head.fit(x, y, verbose=0)
    moved = {p for p, value in _base(head.base).items() if (value != before[p]).any()}
    assert moved
    assert all(path.startswith("encoder/") for path in moved)


def test_a_base_unfrozen_by_itself_asks_for_compile_too():
    x, y = _digits(60)
    head = ClassifierHead(_vae(), 10)
    head.compile("sgd")
    head.fit(x, y, verbose=0)
    unfreeze(head.base, "encoder", verbose=False)
    before = _base(head.base)
    with pytest.raises(ValueError, match="compile"):
        head.fit(x, y, verbose=0)
    head.compile("sgd")
    head.fit(x, y, verbose=0)
    moved = [path for path, v in _base(head.base).items() if (v != before[path]).any()]
    assert moved
    assert all("encoder" in path for path in moved)


@pytest.mark.parametrize("jit_compile", [True, False])
@pytest.mark.parametrize("label", [10, -1])
def test_labels_that_are_no_class_stop_the_training(jit_compile, label):
    x, y = _digits(60)
    head = ClassifierHead(_vae(), 10, class_weights=[1.0] * 10)
    head.compile("adam", jit_compile=jit_compile)
    bad = np.where(y == 3, label, y)
    with pytest.raises(DataError, match=f"{label} to|to {label}"):
        head.fit(x, bad, verbose=0)
    with pytest.raises(DataError, match=r"without any of \[3\]"):
        head.fit(x, np.where(y == 3, 4, y), verbose=0)
    with pytest.raises(DataError, match="float64"):
        head.fit(x, y + 0.5, verbose=0)
    assert head.step.numpy() == 0
    data = tf.data.Dataset.from_tensor_slices((x, bad)).batch(20)
    with pytest.raises(NonFiniteLossError):
        head.fit(data, verbose=0)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_files_and_early_stopping(tmp_path, policy):
    x, y = _digits()
    head = ClassifierHead(
        tg.VAE(SHAPE, 8, hidden_units=(32,), dtype=policy),
        10,
        class_names=list("abcdefghij"),
        dropout=0.1,
    )
    head.compile(keras.optimizers.Adam(0.01))
    stop = keras.callbacks.EarlyStopping("val_loss", patience=0, min_delta=1e9)
    history = head.fit(
        x, y, epochs=9, validation_data=(x, y), callbacks=[stop], verbose=0
    )
    assert len(history.history["loss"]) == 2
    assert np.isfinite(history.history["loss"]).all()
    head.save(tmp_path / "head.keras")
    loaded = tg.load_model(tmp_path / "head.keras")
    np.testing.assert_array_equal(loaded.predict_rows(x), head.predict_rows(x))
    assert loaded.get_config()["class_names"] == list("abcdefghij")
    assert not loaded.base.trainable_variables


@pytest.mark.slow
def test_exports_answer_as_the_heads_do(tmp_path):
    head = ClassifierHead(_gpt(), 3, class_names=["x", "y", "z"])
    path = head.export_serving(tmp_path / "texts", warmup_batch_sizes=(1,))
    predict = tf.saved_model.load(str(path)).signatures["predict"]
    texts = ["abc", "fed cab", "", "abc"]
    answer = predict(texts=tf.constant(texts))
    assert [bool(e) for e in answer["error"].numpy()] == [False, False, True, False]
    tokens = np.full((2, 12), -1, np.int32)
    for row, text in enumerate(texts[:2]):
        encoded = head.base.tokenizer.encode(text)
        tokens[row, : len(encoded)] = encoded
    expected = head.predict_probabilities(tokens)
    np.testing.assert_allclose(answer["probabilities"][:2], expected, atol=1e-5)
    names = [name.decode() for name in answer["class_name"].numpy()[:2]]
    assert names == ["xyz"[i] for i in expected.argmax(1)]
    x, _ = _digits(4)
    images = RegressionHead(_vae(), 2)
    path = images.export_serving(tmp_path / "images", warmup_batch_sizes=(1,))
    served = tf.saved_model.load(str(path)).signatures["predict"](images=tf.constant(x))
    np.testing.assert_allclose(served["values"], images.predict_rows(x), atol=1e-5)
    report = tg.export.verify(tmp_path / "images")
    assert [check for check in report.checks if not check.ok] == []


def test_mistakes_are_named():
    x, y = _digits(60)
    for make, words in (
        (lambda: ClassifierHead(_vae(), 1), "num_classes=1"),
        (lambda: ClassifierHead(_vae(), 3, class_names=["a"]), "class_names with 1"),
        (lambda: ClassifierHead(_vae(), 3, label_smoothing=1.0), "label_smoothing"),
        (lambda: ClassifierHead(keras.Sequential(), 3), "base=Sequential"),
        (lambda: RegressionHead(_vae(), 0), "num_targets=0"),
        (lambda: EmbeddingHead(_vae(), temperature=0.0), "temperature=0"),
    ):
        with pytest.raises(ValueError, match=words):
            make()
    head = ClassifierHead(_vae(), 10)
    for labels, words in (
        (np.where(y == 3, 4, y), r"without any of \[3\]"),
        (np.where(y == 3, 10, y), "to 10"),
        (y.astype(float), "float64"),
    ):
        with pytest.raises(DataError, match=words):
            head.fit_probe(x, labels)
    with pytest.raises(ValueError, match="hidden_dim=8"):
        ClassifierHead(_vae(), 10, hidden_dim=8).fit_probe(x, y)


@pytest.mark.slow
def test_a_fresh_process_loads_a_head(tmp_path, in_fresh_process):
    head = ClassifierHead(_vae(), 10)
    head.save(tmp_path / "head.keras")
    code = (
        "import sys, tfgenai as tg; head = tg.load_model(sys.argv[1]);"
        "print(type(head).__name__, head.num_classes)"
    )
    found = in_fresh_process(code, tmp_path / "head.keras")
    assert found == ["ClassifierHead", "10"]
