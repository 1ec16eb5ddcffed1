"""GPT: figures are means over tokens, one embedding, what decays, what is refused."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_gpt import END, MODERN, VOCABULARY, batches, draw, log_softmax, tiny

import tfgenai as tg
from tfgenai.core import random
from tfgenai.data.tokenizers import ByteTokenizer, CharTokenizer


def by_hand(model, x, weights=None):
    """Losses `(batch, tokens)` of whole passes in float64, and what counts."""
    losses = np.zeros(x[:, 1:].shape)
    counts = ((x[:, 1:] >= 0) & (x[:, :-1] >= 0)).astype(float)
    for row, tokens in enumerate(x):
        for i in np.flatnonzero(counts[row]):
            logits = model(tf.constant([tokens[: i + 1]])).numpy()[0, -1]
            log_probs = log_softmax(logits.astype(np.float64))
            losses[row, i] = -log_probs[tokens[i + 1]]
    return losses, counts if weights is None else counts * weights


def uneven_batches():
    """Three batches of different size, with padding left and right and documents."""
    x = draw(7, 6)
    x[0, 3:] = -1
    x[1, :4] = -1
    x[2, 2] = END
    x[5] = -1  # nothing at all
    return [x[:3], x[3:6], x[6:]]


def dataset_of(parts):
    def generate():
        yield from parts

    if isinstance(parts[0], tuple):
        first = zip(*parts, strict=True)
        specs = tuple(
            tf.TensorSpec((None, *each[0].shape[1:]), each[0].dtype) for each in first
        )
    else:
        specs = tf.TensorSpec((None, *parts[0].shape[1:]), parts[0].dtype)
    data = tf.data.Dataset.from_generator(generate, output_signature=specs)
    return data.apply(tf.data.experimental.assert_cardinality(len(parts)))


def evaluate(model, parts):
    model.compile(jit_compile=False)
    return model.evaluate(dataset_of(parts), verbose=0, return_dict=True)


# ---- figures -----------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, MODERN], ids=["gpt2", "modern"])
def test_evaluation_is_the_mean_over_all_tokens_of_the_split(options):
    model, parts = tiny(**options), uneven_batches()
    losses, counts = by_hand(model, np.concatenate(parts))
    expected = losses.sum() / counts.sum()
    figures = evaluate(model, parts)
    assert set(figures) == {"loss", "perplexity"}
    assert figures["loss"] == pytest.approx(expected, rel=1e-5)
    assert figures["perplexity"] == pytest.approx(math.exp(expected), rel=1e-4)
    # the mean over batches is another number
    sums = [[each.sum() for each in by_hand(model, part)] for part in parts]
    means = [loss / count for loss, count in sums]
    assert abs(np.mean(means) - expected) > 1e-3
    assert evaluate(model, parts) == figures


def test_the_logged_loss_of_training_is_the_mean_over_tokens():
    model, parts = tiny(), uneven_batches()
    losses, counts = by_hand(model, np.concatenate(parts))
    model.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    history = model.fit(dataset_of(parts), verbose=0).history
    assert set(history) == {"loss", "perplexity"}
    assert history["loss"][0] == pytest.approx(losses.sum() / counts.sum(), rel=1e-5)


@pytest.mark.parametrize(
    "tokenizer", [ByteTokenizer(), CharTokenizer.train("naïve ñandú")], ids=type
)
def test_bits_per_byte_are_bits_over_bytes(tokenizer):
    model = tiny(tokenizer=tokenizer, max_sequence_length=16)
    text = tokenizer.encode("ñandú naïve")
    x = np.full((2, 14), -1, np.int32)
    x[0, 0], x[0, 1:12], x[0, 12] = tokenizer.end_token, text[:11], tokenizer.end_token
    x[1, :3] = text[:3]
    losses, _ = by_hand(model, x)
    pieces = tokenizer.token_bytes()
    num_bytes = sum(len(pieces[token]) for token in x[:, 1:].ravel() if token >= 0)
    expected = losses.sum() / math.log(2) / num_bytes
    figures = evaluate(model, [x])
    assert set(figures) == {"loss", "perplexity", "bits_per_byte"}
    assert figures["bits_per_byte"] == pytest.approx(expected, rel=1e-4)


def test_masks_and_weights_say_what_counts():
    model, x = tiny(), np.concatenate(uneven_batches())[:3]
    mask = np.array([[1, 1, 1, 1, 1, 1], [0, 1, 0, 0, 0, 1], [1, 0, 0, 1, 0, 1]]) > 0
    weights = np.array([0.5, 2.0, 3.0], np.float32)
    for given, factor in (
        ((x, mask), mask[:, 1:]),
        ((x, mask, weights), mask[:, 1:] * weights[:, None]),
    ):
        losses, counts = by_hand(model, x, factor)
        expected = (losses * counts).sum() / counts.sum()
        assert evaluate(model, [given])["loss"] == pytest.approx(expected, rel=1e-5)


def test_padding_changes_no_figure():
    model, x = tiny(), draw(3, 6)
    padding = np.full((3, 2), -1, np.int32)
    plain = evaluate(model, [x])["loss"]
    for padded in ([padding, x], [x, padding]):
        joined = np.concatenate(padded, axis=1)
        assert evaluate(model, [joined])["loss"] == pytest.approx(plain, rel=1e-5)


def test_uniform_predictions_cost_the_logarithm_of_the_vocabulary():
    model = tiny()
    for weight in model.decoder.weights:
        weight.assign(tf.zeros_like(weight))
    loss = evaluate(model, uneven_batches())["loss"]
    assert loss == pytest.approx(math.log(VOCABULARY), rel=1e-6)


# ---- training ----------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, MODERN], ids=["gpt2", "modern"])
def test_it_learns_to_count(options):
    model = tg.GPT(
        VOCABULARY,
        max_sequence_length=8,
        num_layers=1,
        num_heads=4,
        hidden_dim=16,
        **options,
    )
    model.compile(keras.optimizers.Adam(0.02), jit_compile=False)
    losses = model.fit(batches(n=160), epochs=3, verbose=0).history["loss"]
    assert losses[0] > 0.2
    assert losses[-1] < 0.1
    (tokens,) = model.generate_tokens([[3]], temperature=0.0, max_new_tokens=6)
    assert tokens.tolist() == [4, 5, 6, 7, 8, 9]


def test_accumulated_gradients_are_those_of_one_large_batch():
    def trained(batch_size, **options):
        model = tiny()
        optimizer = keras.optimizers.SGD(0.1, **options)
        model.compile(optimizer, jit_compile=False)
        model.fit(batches(n=8, batch_size=batch_size), verbose=0)
        return model.decoder.get_weights()

    whole, parts = trained(8), trained(4, gradient_accumulation_steps=2)
    for left, right in zip(whole, parts, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)
    start = tiny().decoder.get_weights()
    assert max(np.abs(a - b).max() for a, b in zip(whole, start, strict=True)) > 0.01


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_targets_count_alike_in_accumulated_batches_of_different_fill(dtype):
    x = draw(8, 6)
    mask = np.zeros(x.shape, bool)
    mask[:4, 3] = True  # 4 targets in the first batch,
    mask[4:, 1:] = True  # 20 in the second, of 20 places each

    def trained(parts, rate, **options):
        model = tiny(dtype=dtype)
        model.compile(keras.optimizers.SGD(rate, **options), jit_compile=False)
        model.fit(dataset_of(parts), verbose=0)
        return model.decoder.get_weights()

    # The mean over 24 targets, against their sum over 40 places.
    whole = trained([(x, mask)], 0.1 * 24 / 40)
    halves = [(x[:4], mask[:4]), (x[4:], mask[4:])]
    parts = trained(halves, 0.1, gradient_accumulation_steps=2)
    atol = 1e-5 if dtype == "float32" else 1e-3
    for left, right in zip(whole, parts, strict=True):
        np.testing.assert_allclose(left, right, atol=atol)
    start = tiny(dtype=dtype).decoder.get_weights()
    assert max(np.abs(a - b).max() for a, b in zip(whole, start, strict=True)) > 0.005


def test_a_step_is_as_long_as_the_clipped_gradient():
    model = tiny()
    before = model.decoder.get_weights()
    optimizer = keras.optimizers.SGD(1.0, global_clipnorm=0.01)
    model.compile(optimizer, jit_compile=False)
    model.fit(batches(n=4), verbose=0)
    after = model.decoder.get_weights()
    squares = [((a - b) ** 2).sum() for a, b in zip(before, after, strict=True)]
    assert math.sqrt(sum(squares)) == pytest.approx(0.01, rel=1e-3)


def nothing_to_learn():
    """A batch without targets: the gradient is zero, and only decay is left."""
    return [(draw(2, 6), np.zeros((2, 6), bool))]


def assert_decay(model, factor):
    before = [v.numpy() for v in model.trainable_variables]
    model.fit(dataset_of(nothing_to_learn()), verbose=0)
    for variable, value in zip(model.trainable_variables, before, strict=True):
        expected = value * factor if value.ndim >= 2 else value
        np.testing.assert_allclose(variable, expected, rtol=1e-5, err_msg=variable.path)
        assert np.abs(value).max() > 0.01


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_offsets_and_scales_do_not_decay_also_after_loading(dtype, tmp_path):
    model = tiny(**{**MODERN, "use_bias": True, "norm": "layer"}, dtype=dtype)
    model.compile(keras.optimizers.AdamW(0.1, weight_decay=0.5), jit_compile=False)
    assert_decay(model, 1 - 0.1 * 0.5)
    model.save(tmp_path / "m.keras")
    loaded = tg.load_model(tmp_path / "m.keras")
    assert_decay(loaded, 1 - 0.1 * 0.5)


def test_the_optimizer_of_its_own_is_that_of_gpt():
    model = tiny()
    model.compile()
    optimizer = model.optimizer
    assert isinstance(optimizer, keras.optimizers.AdamW)
    assert (optimizer.global_clipnorm, optimizer.weight_decay) == (1.0, 0.1)
    assert len(optimizer._exclude_from_weight_decay) == sum(
        len(v.shape) < 2 for v in model.trainable_variables
    )


def test_computing_activations_again_trains_alike():
    def trained(remat):
        model = tiny(dropout=0.2, remat=remat)
        model.compile(keras.optimizers.SGD(0.1), jit_compile=False)
        model.fit(batches(n=8), verbose=0)
        return model.decoder.get_weights()

    for left, right in zip(trained(False), trained(True), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("remat", [False, True])
def test_half_precision_trains(policy, remat):
    model = tiny(dtype=policy, remat=remat, **MODERN)
    model.compile(jit_compile=False)
    history = model.fit(batches(n=8), epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert history["loss"][1] < history["loss"][0]
    assert {w.dtype for w in model.trainable_variables} == {"float32"}


@pytest.mark.slow
def test_the_compiled_loop_takes_the_same_steps():
    def trained(jit_compile):
        model = tiny(dropout=0.1, **MODERN)
        model.compile(keras.optimizers.SGD(0.05), jit_compile=jit_compile)
        loss = model.fit(batches(n=16), epochs=2, verbose=0).history["loss"][-1]
        return [*model.decoder.get_weights(), loss]

    for left, right in zip(trained(False), trained(True), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-4)


# ---- weights and files -------------------------------------------------------


def embeddings_of(model):
    shape = (VOCABULARY, 16)
    return [v for v in model.weights if tuple(v.shape) == shape]


@pytest.mark.parametrize("tie_weights", [True, False])
def test_tied_embeddings_stay_one_variable_in_files(tie_weights, tmp_path):
    model = tiny(tie_weights=tie_weights)
    model.compile(jit_compile=False)
    model.fit(batches(n=4), verbose=0)
    model.save(tmp_path / "m.keras")
    model.save_to_preset(tmp_path / "preset")
    tokens = draw(2, 5)
    for other in (
        tg.load_model(tmp_path / "m.keras"),
        tg.GPT.from_preset(tmp_path / "preset"),
    ):
        assert len(embeddings_of(other)) == (1 if tie_weights else 2)
        assert other.decoder.tie_weights is tie_weights
        np.testing.assert_array_equal(model(tokens), other(tokens))
        # what the input learns, the output knows
        before = other(tokens).numpy()
        table = other.decoder.token_embedding
        table.assign(tf.tensor_scatter_nd_add(table.value, [[END]], [[9.0] * 16]))
        assert (other(tokens).numpy()[..., END] != before[..., END]).all() == (
            tie_weights
        )
    # one momentum and one square for each variable, and none twice
    slots = [v for v in model.optimizer.variables if "embedding" in v.path]
    tables = [v for v in model.trainable_variables if "embedding" in v.path]
    assert len(slots) == 2 * len(tables)


def test_the_tokenizer_comes_back_from_the_config(tmp_path):
    tokenizer = CharTokenizer.train("abcñ")
    model = tiny(tokenizer=tokenizer, **MODERN, sliding_window=4, ema_decay=0.9)
    again = tg.GPT.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert again.tokenizer == tokenizer
    assert (again.vocabulary_size, again.end_token) == (
        tokenizer.vocabulary_size,
        tokenizer.end_token,
    )
    model.save(tmp_path / "m.keras")
    loaded = tg.load_model(tmp_path / "m.keras")
    options = {"max_new_tokens": 6, "seed": 1}
    assert model.generate("añ", **options) == loaded.generate("añ", **options)


@pytest.mark.parametrize(
    "options", [{}, {**MODERN, "head_dim": 6}], ids=["gpt2", "modern"]
)
def test_operations_are_counted_by_hand(options):
    model = tiny(**options)
    inner, shared = (24, 12) if options else (16, 16)
    attention = 16 * inner * 2 + 16 * shared * 2
    feed_forward = 3 * 16 * 48 if options else 2 * 16 * 64
    weights = 2 * (attention + feed_forward) + 16 * VOCABULARY
    # PaLM, appendix B: 6 N + 12 L H Q T
    assert model.flops_per_token(5) == 6 * weights + 12 * 2 * inner * 5
    assert model.flops_per_token() == 6 * weights + 12 * 2 * inner * 8


# ---- what is refused ---------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"vocabulary_size": None}, ValueError, "vocabulary_size=None"),
        ({"vocabulary_size": 0}, ValueError, "vocabulary_size=0"),
        ({"vocabulary_size": 12.5}, ValueError, "vocabulary_size=12.5"),
        ({"tokenizer": ByteTokenizer()}, ValueError, "257 tokens"),
        ({"tokenizer": "byte"}, TypeError, "tokenizer='byte'"),
        ({"end_token": 12}, ValueError, "end_token=12"),
        ({"num_heads": 5}, ValueError, "num_heads=5"),
        ({"max_sequence_length": 0}, ValueError, "max_sequence_length=0"),
        ({"seed": -1}, ValueError, "seed=-1"),
        ({"dropout": 1.0}, ValueError, "rate=1"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, error, words):
    sizes = {"vocabulary_size": 12, "num_layers": 1, "num_heads": 2, "hidden_dim": 8}
    with pytest.raises(error, match=words):
        tg.GPT(**{**sizes, **arguments})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (draw(2, 10), r"2 to 9 tokens.*\(.*, 10\)"),
        (draw(2, 6).astype(np.float32), "Integer tokens.*float32"),
        (draw(2, 6, 6), "Integer tokens"),
        ((draw(2, 6), draw(2) > 0), "mask of targets"),
    ],
    ids=["too_long", "floats", "images", "labels"],
)
def test_bad_data_are_refused_before_a_step(data, words):
    model = tiny()
    model.compile(jit_compile=False)
    with pytest.raises(ValueError, match=f"(?s){words}"):
        model.fit(dataset_of([data]), verbose=0)


def test_weights_of_another_vocabulary_are_refused(tmp_path):
    tiny().save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="token_embedding"):
        tiny(vocabulary_size=13).load_weights(tmp_path / "m.weights.h5")


def test_dropout_is_off_outside_of_training():
    model, x = tiny(dropout=0.5), draw(2, 6)
    np.testing.assert_array_equal(model(x), model(x))
    seed = tf.constant([1, 2])

    def loss(training):
        with random.seed_scope(seed):
            losses = model.compute_losses(
                tf.constant(x), None, None, seed=seed, training=training
            )
        return float(losses["loss"])

    assert loss(False) == pytest.approx(by_hand(model, x)[0].mean(), rel=1e-5)
    assert abs(loss(True) - loss(False)) > 1e-3


def test_targets_as_y_are_refused_where_a_mask_is_meant():
    model, x = tiny(), draw(4, 6)
    model.compile(jit_compile=False)
    with pytest.raises(TypeError, match="y of type int32"):
        model.fit(x, x, verbose=0)


def test_tokens_of_other_whole_types_are_those_of_int32():
    model, x = tiny(), draw(4, 6)
    expected = evaluate(model, [x])["loss"]
    assert evaluate(model, [x.astype(np.uint16)])["loss"] == expected
    np.testing.assert_array_equal(model(x.astype(np.uint16)), model(x))


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_data_of_another_tokenizer_or_vocabulary_are_refused(method, tmp_path):
    (tmp_path / "text.txt").write_text("hello, world\n" * 20)
    options = {"sequence_length": 8, "batch_size": 2}
    data = tg.data.load(str(tmp_path / "text.txt"), tokenizer="char", **options)
    model = tiny(tokenizer=tg.data.ByteTokenizer())
    model.compile(jit_compile=False)
    with pytest.raises(ValueError, match="x of another CharTokenizer"):
        getattr(model, method)(data, verbose=0)
    with pytest.raises(ValueError, match=r"vocabulary_size=257.*x with 300"):
        getattr(model, method)(np.full((2, 5), 300, np.int32), verbose=0)


def test_sequences_without_positions_are_refused():
    with pytest.raises(ValueError, match=r"at most 8 tokens.*\(1, 9\)"):
        tiny()(np.zeros((1, 9), np.int32))
