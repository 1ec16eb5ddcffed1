"""TransformerDecoder: cached = whole, padded = plain, packed = alone, one embedding."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgenai.core import random
from tfgenai.layers import TransformerDecoder
from tfgenai.layers.causal_mask import causal_visibility

BLOCK = 8  # the longest sequence
VOCABULARY = 11
LLAMA = {
    "norm": "rms",
    "activation": "swiglu",
    "position_embedding": "rotary",
    "use_bias": False,
    "tie_weights": False,
}
KINDS = {
    "gpt2": {},
    "llama": LLAMA,
    "groups_and_norms": {**LLAMA, "num_key_value_heads": 2, "use_qk_norm": True},
    "window": {"sliding_window": 3},
    "rotary_window": {**LLAMA, "sliding_window": 3},
}
kinds = pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)


def make(**options):
    """Weights that hide nothing: all are large, offsets and scales too."""
    sizes = {"num_layers": 2, "num_heads": 4, "hidden_dim": 16}
    decoder = TransformerDecoder(VOCABULARY, BLOCK, **{**sizes, **options})
    for i, weight in enumerate(decoder.weights):
        noise = random.numpy_generator(i).normal(size=weight.shape)
        weight.assign(weight + 0.3 * noise)
    return decoder


def draw(*shape, seed=0):
    generator = random.numpy_generator(seed)
    return generator.integers(0, VOCABULARY, shape).astype(np.int32)


def logits_of(decoder, tokens, **options):
    tokens = tf.constant(tokens)
    seen = causal_visibility(tokens, sliding_window=decoder.sliding_window, **options)
    return decoder.logits(decoder(tokens, seen)).numpy()


@kinds
def test_cached_logits_are_those_without_for_every_length_of_prompt(options):
    decoder, tokens = make(**options), draw(2, BLOCK)
    whole = logits_of(decoder, tokens)
    assert np.abs(whole).max() > 1  # there is something to compare
    extend = tf.function(decoder.extend, autograph=False, reduce_retracing=True)
    for length in range(1, BLOCK + 1):
        cache, pieces = decoder.empty_cache(2, BLOCK), []
        steps = [(0, length), *((i, i + 1) for i in range(length, BLOCK))]
        for start, stop in steps:
            positions = tf.tile(tf.range(start, stop)[tf.newaxis], (2, 1))
            new = tf.constant(tokens[:, start:stop])
            hidden, cache = extend(new, positions, cache)
            pieces.append(decoder.logits(hidden).numpy())
        np.testing.assert_allclose(np.concatenate(pieces, 1), whole, atol=1e-4)


@kinds
@pytest.mark.parametrize("end_token", [None, 3])
def test_padding_on_the_left_changes_nothing(options, end_token):
    decoder, tokens = make(**options), draw(1, 6)
    tokens[0, 2] = 3
    plain = logits_of(decoder, tokens, end_token=end_token)
    padded = np.concatenate([np.full((1, 2), -1, np.int32), tokens], 1)
    padded = logits_of(decoder, padded, end_token=end_token)
    assert np.isfinite(padded).all()
    np.testing.assert_allclose(padded[:, 2:], plain, atol=1e-4)


@kinds
def test_padding_on_the_right_changes_nothing(options):
    decoder, tokens = make(**options), draw(1, 6)
    padded = np.concatenate([tokens, np.full((1, 2), -1, np.int32)], 1)
    np.testing.assert_allclose(
        logits_of(decoder, padded)[:, :6], logits_of(decoder, tokens), atol=1e-4
    )


@kinds
def test_a_packed_document_is_one_alone(options):
    decoder, tokens = make(**options), draw(1, BLOCK)
    tokens[tokens == 3] = 4
    tokens[0, 3] = tokens[0, 5] = 3
    packed = logits_of(decoder, tokens, end_token=3)
    for start, stop in ((0, 3), (3, 5), (5, BLOCK)):
        alone = logits_of(decoder, tokens[:, start:stop], end_token=3)
        np.testing.assert_allclose(packed[:, start:stop], alone, atol=1e-4)
    as_one = logits_of(decoder, tokens)
    assert np.abs(as_one[:, 5:] - packed[:, 5:]).max() > 0.01


@kinds
def test_the_jacobian_of_its_logits_is_the_mask_of_each_block_after_the_other(options):
    decoder = make(**options)
    tokens = tf.constant([[1, 2, 4, 5, 3, 6, 7]])
    seen = causal_visibility(tokens, end_token=3, sliding_window=decoder.sliding_window)
    x = decoder.embed(tokens, seen.positions)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        hidden = x
        for block in decoder.blocks:
            hidden = block(hidden, seen)
        # random weights of the sum, so that no two terms cancel
        logits = decoder.logits(decoder.final_norm(hidden))
        outputs = tf.linalg.matvec(
            logits, tf.range(1.0, VOCABULARY + 1) ** 1.5 / VOCABULARY
        )
        outputs = tf.unstack(outputs[0])
    rows = [tape.gradient(output, x).numpy()[0] for output in outputs]
    reached = np.abs(rows).max(-1) > 1e-7
    mask = seen.mask.numpy()[0, 0].astype(int)
    np.testing.assert_array_equal(reached, mask @ mask > 0)


def test_without_a_visibility_a_sequence_is_one_document_in_its_window():
    decoder, tokens = make(sliding_window=2), draw(2, 5)
    np.testing.assert_array_equal(
        decoder(tokens), decoder(tokens, causal_visibility(tokens, sliding_window=2))
    )


def test_tied_embeddings_are_one_variable():
    tied, free = make(), make(tie_weights=False)
    shapes = [tuple(w.shape) for w in tied.trainable_variables]
    assert shapes.count((VOCABULARY, 16)) == 1
    assert len(free.trainable_variables) == len(shapes) + 1
    tokens = draw(1, 4)
    hidden = tied(tokens)
    np.testing.assert_allclose(
        tied.logits(hidden), hidden @ tied.token_embedding.numpy().T, atol=1e-4
    )
    np.testing.assert_allclose(
        free.logits(hidden), hidden @ free.output_kernel.numpy().T, atol=1e-4
    )


def test_initial_weights_are_those_of_gpt2():
    sizes = {"num_layers": 8, "num_heads": 2, "hidden_dim": 64}
    decoder = TransformerDecoder(500, 256, **sizes)
    residual = 0.02 / np.sqrt(2 * 8)  # Radford et al. 2019, section 2.3
    block = decoder.blocks[3]
    for weight, stddev in (
        (decoder.token_embedding, 0.02),
        (decoder.position_table, 0.02),
        (block.attention.query.kernel, 0.02),
        (block.feed_forward.expand.kernel, 0.02),
        (block.attention.projection.kernel, residual),
        (block.feed_forward.contract.kernel, residual),
    ):
        assert weight.numpy().std() == pytest.approx(stddev, rel=0.06), weight.path
    kernels = [block.attention.query.kernel.numpy() for block in decoder.blocks]
    assert len({kernel.tobytes() for kernel in kernels}) == 8


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 64),
        ({"activation": "swiglu"}, 48),  # 8 / 3 · 16 = 42.7, to a multiple of 8
        ({"activation": "swiglu", "hidden_dim": 768}, 2048),
        ({"intermediate_dim": 5}, 5),
    ],
)
def test_the_usual_size_of_the_feed_forward_layers(options, expected):
    arguments = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, **options}
    decoder = TransformerDecoder(7, 4, **arguments)
    assert decoder.blocks[0].feed_forward.intermediate_dim == expected


def gradients(decoder, tokens):
    with tf.GradientTape() as tape, random.seed_scope(tf.constant([3, 4])):
        hidden = decoder(tokens, training=True)
        loss = tf.reduce_sum(tf.square(decoder.logits(hidden)))
    return [
        tf.convert_to_tensor(gradient)
        for gradient in tape.gradient(loss, decoder.trainable_variables)
    ]


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_computing_activations_again_gives_the_same_gradients(dropout):
    kept = make(dropout=dropout)
    again = make(dropout=dropout, remat=True)
    tokens, calls = tf.constant(draw(2, 6)), []
    call = again.blocks[0].call

    def spy(*args, **kwargs):
        calls.append(1)
        return call(*args, **kwargs)

    again.blocks[0].call = spy
    expected, found = gradients(kept, tokens), gradients(again, tokens)
    assert len(calls) == 2  # once forward, once backward
    for left, right in zip(expected, found, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-4)
    assert len(expected) == len(kept.trainable_variables)


def test_computing_activations_again_works_in_a_compiled_graph():
    decoder, tokens = make(dropout=0.3, remat=True), tf.constant(draw(2, 6))
    compiled = tf.function(
        lambda t: gradients(decoder, t), jit_compile=True, autograph=False
    )
    for left, right in zip(gradients(decoder, tokens), compiled(tokens), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-2)


def test_dropout_is_on_in_training_alone():
    decoder, tokens = make(dropout=0.4), draw(2, 6)
    np.testing.assert_array_equal(decoder(tokens), decoder(tokens))

    def dropped(seed):
        with random.seed_scope(tf.constant([seed, 0])):
            return decoder(tokens, training=True).numpy()

    np.testing.assert_array_equal(dropped(1), dropped(1))
    assert np.abs(dropped(1) - dropped(2)).max() > 0.01


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("mixed_float16", 0.05), ("mixed_bfloat16", 0.4)]
)
def test_half_precision_gives_float32_logits(dtype, tolerance):
    decoder, tokens = make(dtype=dtype, **LLAMA), draw(2, 6)
    hidden = decoder(tokens)
    assert hidden.dtype == decoder.compute_dtype
    logits = decoder.logits(hidden)
    assert logits.dtype == tf.float32
    expected = logits_of(make(**LLAMA), tokens)
    np.testing.assert_allclose(logits, expected, atol=tolerance)
    assert {w.dtype for w in decoder.weights} == {"float32"}
    assert decoder.empty_cache(1, 4)[0].keys.dtype == decoder.compute_dtype


def test_comes_back_from_its_config():
    decoder = make(
        **LLAMA, num_key_value_heads=2, intermediate_dim=5, sliding_window=4, seed=8
    )
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(decoder)
    )
    assert again.get_config() == decoder.get_config()
    assert [w.path for w in again.weights] == [w.path for w in decoder.weights]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"vocabulary_size": 0}, "vocabulary_size=0"),
        ({"vocabulary_size": 2.5}, "vocabulary_size=2.5"),
        ({"max_sequence_length": 0}, "max_sequence_length=0"),
        ({"num_layers": 0}, "num_layers=0"),
        ({"num_heads": 3}, "num_heads=3"),
        ({"num_key_value_heads": 3}, "num_key_value_heads=3"),
        ({"hidden_dim": True}, "hidden_dim=True"),
        ({"intermediate_dim": 0}, "intermediate_dim=0"),
        ({"sliding_window": 0}, "sliding_window=0"),
        ({"position_embedding": "rotaty"}, "Did you mean 'rotary'"),
        ({"norm": "batch"}, "norm='batch'"),
        ({"activation": "relu"}, "activation='relu'"),
        ({"dropout": 1.0}, "rate=1"),
    ],
)
def test_refuses_what_cannot_work(arguments, words):
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8}
    sizes |= {"vocabulary_size": 5, "max_sequence_length": 4}
    with pytest.raises(ValueError, match=words):
        TransformerDecoder(**{**sizes, **arguments})


@pytest.mark.parametrize(
    ("hidden_dim", "dtype", "expected"),
    [
        (128, "mixed_bfloat16", False),
        (256, "mixed_bfloat16", True),
        (256, "float32", False),
        (384, "float32", True),
        (384, "mixed_float16", False),
    ],
)
def test_wide_products_are_better_without_xla(hidden_dim, dtype, expected):
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": hidden_dim}
    decoder = TransformerDecoder(5, 4, **sizes, dtype=dtype)
    assert decoder.slower_under_xla is expected
