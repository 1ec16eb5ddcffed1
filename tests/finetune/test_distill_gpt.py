import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, rel_entr, softmax

import tfgenai as tg
from tfgenai.core import random
from tfgenai.data.tokenizers import ByteTokenizer, CharTokenizer
from tfgenai.finetune.distill_gpt import GPTDistillation, soft_divergences

VOCABULARY = 12


def _gpt(hidden_dim=8, **options):
    sizes = {"num_layers": 1, "num_heads": 2, "max_sequence_length": 10}
    return tg.GPT(
        **{
            "vocabulary_size": VOCABULARY,
            "hidden_dim": hidden_dim,
            **sizes,
            **options,
        }
    )


def _teacher(**options):
    """Larger, and as sure of itself as a trained one."""
    model = _gpt(16, num_layers=2, seed=5, **options)
    for i, weight in enumerate(model.decoder.trainable_variables):
        weight.assign_add(0.4 * random.numpy_generator(i).normal(size=weight.shape))
    model.ema.follow(model.weights)
    return model


def _batch(rows=6, length=9):
    generator = random.numpy_generator(1)
    x = generator.integers(0, VOCABULARY, (rows, length)).astype(np.int32)
    x[1, 6:] = -1
    return x, generator.random((rows, length)) < 0.6, generator.random(rows)


def _weights(model):
    return [weight.numpy() for weight in model.weights]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_divergence_is_scipys(temperature, reverse):
    teacher, student = 3.0 * random.numpy_generator(0).normal(size=(2, 4, 5, 7))
    p, q = (softmax(logits / temperature, -1) for logits in (teacher, student))
    expected = temperature**2 * rel_entr(*((q, p) if reverse else (p, q))).sum(-1)
    found = soft_divergences(
        *(tf.constant(logits, tf.float32) for logits in (teacher, student)),
        temperature,
        reverse=reverse,
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("reverse", [False, True])
def test_the_loss_is_the_weighted_mean_over_targets(reverse):
    teacher, student = _teacher(), _gpt()
    distillation = GPTDistillation(
        teacher, student, alpha=0.3, temperature=3.0, reverse_kl=reverse
    )
    x, is_target, weight = _batch()
    found = distillation.compute_losses(
        *map(tf.constant, (x, is_target, weight)), seed=None, training=False
    )
    # In NumPy, target by target.
    logits = [model(x[:, :-1]).numpy().astype(float) for model in (teacher, student)]
    total, sums = 0.0, np.zeros(2)
    for row, column in np.argwhere(is_target[:, 1:] & (x[:, 1:] >= 0)):
        p, q = (softmax(each[row, column] / 3.0) for each in logits)
        divergence = 9.0 * rel_entr(*((q, p) if reverse else (p, q))).sum()
        target = x[row, column + 1]
        sums += weight[row] * np.array(
            [-log_softmax(logits[1][row, column])[target], divergence]
        )
        total += weight[row]
    cross_entropy, divergence = sums / total
    np.testing.assert_allclose(found["cross_entropy"], cross_entropy, rtol=1e-5)
    np.testing.assert_allclose(found["divergence"], divergence, rtol=1e-5)
    np.testing.assert_allclose(
        found["loss"], 0.7 * cross_entropy + 0.3 * divergence, rtol=1e-5
    )


@pytest.mark.slow
def test_with_alpha_0_the_student_trains_as_by_itself():
    def compiled(model):
        model.compile(keras.optimizers.AdamW(0.01), jit_compile=False)
        return model

    options = {"dropout": 0.3, "ema_decay": 0.8, "seed": 7}
    alone, student = _gpt(**options), _gpt(**options)
    distillation = compiled(GPTDistillation(_teacher(), student, alpha=0.0))
    data = tf.data.Dataset.from_tensor_slices(_batch()).batch(2)
    for _ in range(2):
        expected = compiled(alone).fit(data, verbose=0).history
        found = distillation.fit(data, verbose=0).history
        np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-6)
        np.testing.assert_allclose(found["perplexity"], expected["perplexity"], 1e-6)
        for one, other in zip(_weights(alone), _weights(student), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)
        compiled(distillation)
    assert int(student.step.numpy()) == 6
    # In evaluation, too, with the average in place.
    figures = [
        model.evaluate(data, return_dict=True, verbose=0)
        for model in (alone, distillation)
    ]
    np.testing.assert_allclose(*(each["loss"] for each in figures), rtol=1e-6)


def test_no_weight_of_the_teacher_moves():
    teacher = _teacher(ema_decay=0.5, dropout=0.5)
    before = _weights(teacher)
    student = _gpt()
    untrained = _weights(student)
    distillation = GPTDistillation(teacher, student, alpha=1.0)
    copied = _weights(distillation.teacher)
    distillation.compile(keras.optimizers.AdamW(0.1), jit_compile=False)
    distillation.fit(_batch()[0], epochs=2, batch_size=3, verbose=0)
    for weights, model in ((before, teacher), (copied, distillation.teacher)):
        for one, other in zip(weights, _weights(model), strict=True):
            np.testing.assert_array_equal(one, other)
    moved = [
        (one != other).any()
        for one, other in zip(untrained, _weights(student), strict=True)
    ]
    assert sum(moved) >= len(student.trainable_variables)
    assert len(distillation.trainable_variables) == len(student.trainable_variables)


def test_the_teacher_teaches_with_its_averaged_weights_and_without_dropout():
    teacher = _teacher(ema_decay=0.5, dropout=0.5)
    x = _batch()[0]
    expected = teacher(x[:, :-1]).numpy()
    for weight in teacher.trainable_variables:
        weight.assign(0.0 * weight)  # the average is what it was
    distillation = GPTDistillation(teacher, _gpt())
    np.testing.assert_allclose(distillation.teacher(x[:, :-1]), expected, rtol=1e-5)
    asked = []
    call = distillation.teacher.call
    distillation.teacher.call = lambda tokens, training=None: (
        asked.append(training) or call(tokens, training=training)
    )
    distillation.compute_losses(x, None, None, seed=None, training=True)
    assert asked == [False]


@pytest.mark.parametrize("reverse", [False, True])
def test_a_student_like_its_teacher_has_nothing_to_learn(reverse):
    teacher = _teacher()
    distillation = GPTDistillation(
        teacher, _teacher(), alpha=1.0, temperature=2.0, reverse_kl=reverse
    )
    with tf.GradientTape() as tape:
        losses = distillation.compute_losses(
            tf.constant(_batch()[0]), None, None, seed=None, training=True
        )
    variables = distillation.student.trainable_variables
    gradients = tape.gradient(losses["loss"], [v.value for v in variables])
    assert abs(float(losses["divergence"])) < 1e-5
    for gradient in gradients:
        assert float(tf.reduce_max(tf.abs(tf.convert_to_tensor(gradient)))) < 1e-5


@pytest.mark.slow
def test_of_few_examples_a_teacher_says_more():
    """Validation on fresh samples of the teacher, which is the truth here."""
    teacher = _teacher(end_token=0)
    texts = teacher.generate_tokens(320, max_new_tokens=9, seed=1)
    x = np.full((320, 10), -1, np.int32)
    x[:, 0] = 0
    for row, text in zip(x, texts, strict=True):
        row[1 : len(text) + 1] = text
    train, validation = x[:64], x[64:]
    losses = {}
    for alpha in (0.0, 0.9):
        student = _gpt(16, end_token=0, seed=2)
        distillation = GPTDistillation(teacher, student, alpha=alpha, temperature=1.0)
        distillation.compile(keras.optimizers.Adam(0.01), jit_compile=False)
        rows = tf.data.Dataset.from_tensor_slices(train).batch(16)
        distillation.fit(rows, epochs=25, verbose=0)
        figures = distillation.evaluate(validation, return_dict=True, verbose=0)
        losses[alpha] = figures["cross_entropy"]
    assert losses[0.9] < losses[0.0] - 0.1


@pytest.mark.slow
def test_the_student_is_saved_without_the_teacher_and_the_run_with_it(tmp_path):
    student = _gpt(ema_decay=0.9)
    distillation = GPTDistillation(_teacher(), student, alpha=0.7, name="d")
    distillation.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    x = _batch()[0]
    data = tf.data.Dataset.from_tensor_slices(x).batch(3)  # in order, unlike an array
    distillation.fit(data, verbose=0)
    student.save(tmp_path / "student.keras")
    plain = tg.load_model(tmp_path / "student.keras")
    assert type(plain) is tg.GPT
    assert len(plain.weights) == len(student.weights)
    np.testing.assert_array_equal(plain(x[:, :-1]), student(x[:, :-1]))
    distillation.save(tmp_path / "run.keras")
    loaded = tg.load_model(tmp_path / "run.keras")
    for model in (distillation, loaded):
        model.fit(data, verbose=0)
    assert loaded.get_config().keys() == distillation.get_config().keys()
    assert (loaded.alpha, loaded.temperature, loaded.reverse_kl) == (0.7, 2.0, False)
    for one, other in zip(_weights(distillation), _weights(loaded), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("make", "options", "error", "words"),
    [
        (lambda: (_teacher(), "gpt2"), {}, TypeError, "student of type str"),
        (lambda: (None, _gpt()), {}, TypeError, "teacher of type NoneType"),
        (
            lambda: (_teacher(), _gpt(vocabulary_size=13)),
            {},
            ValueError,
            "student with 13, teacher with 12",
        ),
        (
            lambda: (_teacher(end_token=3), _gpt()),
            {},
            ValueError,
            "end_token .* with None",
        ),
        (
            lambda: (
                _gpt(tokenizer=CharTokenizer("abc"), vocabulary_size=None),
                _gpt(tokenizer=CharTokenizer("abd"), vocabulary_size=None),
            ),
            {},
            ValueError,
            "tokenizer .* CharTokenizer of 4 tokens",
        ),
        (
            lambda: (_gpt(tokenizer=ByteTokenizer(), vocabulary_size=None), _gpt()),
            {},
            ValueError,
            "student with None, teacher with ByteTokenizer",
        ),
        (lambda: (_teacher(), _gpt()), {"alpha": 1.1}, ValueError, "alpha=1.1"),
        (lambda: (_teacher(), _gpt()), {"temperature": 0}, ValueError, "=0"),
        (
            lambda: (_teacher(), _gpt()),
            {"temperature": float("nan")},
            ValueError,
            "=nan",
        ),
    ],
)
def test_bad_input_is_refused(make, options, error, words):
    with pytest.raises(error, match=words):
        GPTDistillation(*make(), **options)


def test_data_that_the_student_refuses_are_refused():
    distillation = GPTDistillation(_teacher(), _gpt())
    distillation.compile("sgd", jit_compile=False)
    with pytest.raises(ValueError, match="Tokens below vocabulary_size=12"):
        distillation.fit(np.full((2, 5), 12), verbose=0)
    with pytest.raises(TypeError, match="mask of bools"):
        distillation.fit(np.zeros((2, 5), int), np.zeros((2, 5), int), verbose=0)
