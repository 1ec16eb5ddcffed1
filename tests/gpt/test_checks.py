"""What GPT refuses: each with the value that was received and the way out."""

import pytest
import tensorflow as tf

from tfgenai.data.tokenizers import ByteTokenizer
from tfgenai.gpt.checks import check_batch, check_vocabulary

BYTES = ByteTokenizer()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((50, None, None), (50, None)),
        ((50, None, 49), (50, 49)),
        ((None, BYTES, None), (257, 256)),
        ((257, BYTES, 256), (257, 256)),
    ],
)
def test_a_vocabulary_comes_from_its_size_or_the_tokenizer(arguments, expected):
    assert check_vocabulary(*arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((None, "byte", None), TypeError, "tokenizer='byte'.*ByteTokenizer"),
        ((None, None, None), ValueError, "Give one of them"),
        ((256, BYTES, None), ValueError, "257 tokens.*vocabulary_size=256"),
        ((None, BYTES, 0), ValueError, "end token 256.*end_token=0"),
        ((50, None, 50), ValueError, r"\[0, 50\).*end_token=50"),
        ((50, None, -1), ValueError, "end_token=-1"),
    ],
)
def test_a_vocabulary_that_does_not_fit_is_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        check_vocabulary(*arguments)


def spec(*shape, dtype="int32"):
    return tf.TensorSpec(shape, dtype)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (spec(4, 9), None),
        (spec(4, 2), None),
        (spec(None, None, dtype="int64"), None),
        (spec(4, 9), spec(4, 9, dtype="bool")),
        (spec(4, 9), spec(None, None, dtype="bool")),
    ],
)
def test_batches_that_fit_pass(x, y):
    check_batch(x, y, 8)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (spec(4, 9, dtype="float32"), None, "type float32.*tfgenai.data.load"),
        (spec(4, 8, 8, 1), None, r"x of shape \(4, 8, 8, 1\)"),
        (spec(4, 10), None, r"2 to 9 tokens.*\(4, 10\).*smaller sequence_length"),
        (spec(4, 1), None, r"2 to 9 tokens.*\(4, 1\)"),
        (spec(4, 9), spec(4, dtype="bool"), r"y of shape \(4,\).*Leave y out"),
        (
            spec(4, 9),
            spec(4, 8, dtype="bool"),
            r"y of shape \(4, 8\), x of shape \(4, 9\)",
        ),
    ],
)
def test_batches_that_do_not_fit_are_refused(x, y, words):
    with pytest.raises(ValueError, match=f"(?s){words}"):
        check_batch(x, y, 8)
