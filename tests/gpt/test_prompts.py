"""Prompts: texts, tokens and numbers become rows, and what is wrong is named."""

import numpy as np
import pytest
from tiny_gpt import END, tiny, tiny_bytes

from tfgenai.gpt.prompts import next_size, to_prompts


@pytest.fixture(scope="module")
def model():
    return tiny_bytes()


def test_texts_and_tokens_are_rows(model):
    prompts = to_prompts(model, ["né", [1, 2], np.array([7])])
    assert [row.tolist() for row in prompts.rows()] == [[110, 195, 169], [1, 2], [7]]
    assert all(row.dtype == np.int32 for row in prompts.rows())
    assert len(prompts) == prompts.width == 3
    assert to_prompts(model, prompts) is prompts
    assert [row.tolist() for row in to_prompts(model, "ab").rows()] == [[97, 98]]


def test_a_number_is_as_many_beginnings_of_documents(model):
    rows = to_prompts(model, np.int64(3)).rows()
    assert [row.tolist() for row in rows] == [[256]] * 3
    assert to_prompts(tiny(), 1).rows()[0].tolist() == [END]


def test_padding_stands_behind(model):
    array, count = to_prompts(model, ["abc", "d"]).padded(4)
    assert array.tolist() == [[97, 98, 99, 0], [100, 0, 0, 0]]
    assert count.tolist() == [3, 1]
    assert array.dtype == count.dtype == np.int32


@pytest.mark.parametrize(
    ("prompts", "error", "words"),
    [
        ("", ValueError, r"prompts\[0\], which is empty"),
        (["a", ""], ValueError, r"prompts\[1\], which is empty"),
        (["a", []], ValueError, r"prompts\[1\], which is empty"),
        ("x" * 17, ValueError, r"At most 16 tokens.*prompts\[0\] of 17"),
        ([[1, 257]], ValueError, r"\[0, 257\).*prompts\[0\] with 257"),
        ([[1, -1]], ValueError, r"prompts\[0\] with -1"),
        (["\ud800"], ValueError, "surrogate"),
        (0, ValueError, "prompts=0"),
        ([], TypeError, r"prompts=\[\]"),
        (None, TypeError, "prompts=None"),
        (True, TypeError, "prompts=True"),
        ([1, 2], TypeError, r"prompts\[0\]=1"),
        ([[0.5]], TypeError, r"prompts\[0\]=\[0.5\]"),
        ([[[1]]], TypeError, r"prompts\[0\]=\[\[1\]\]"),
    ],
)
def test_bad_prompts_are_refused_by_number(model, prompts, error, words):
    with pytest.raises(error, match=words):
        to_prompts(model, prompts)


def test_a_model_of_tokens_takes_no_texts_and_may_have_no_beginning():
    with pytest.raises(ValueError, match="tokenizer=None"):
        to_prompts(tiny(), ["text"])
    with pytest.raises(ValueError, match=r"begins documents.*prompts=2"):
        to_prompts(tiny(end_token=None), 2)


def test_sizes_are_powers_of_two_from_16():
    assert [next_size(n) for n in (1, 16, 17, 32, 100)] == [16, 16, 32, 32, 128]
