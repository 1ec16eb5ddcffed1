import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfgenai.data.tokenizers import BPETokenizer
from tfgenai.data.tokenizers.bpe_files import byte_spelling

TEXT = (
    "We're sure they'll say it's what I've said; don't you'd think I'm 12345 aaaaaaa?\n"
    "  Über «Café» 中文字 — naïve, ½ ① ١٢٣ \u00a0\u3000 😀😀 ''quoted'' a''s \t\r\n" * 6
)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
# What the pattern treats in its own way, in every order.
near_the_pattern = st.lists(
    st.sampled_from(
        ["'", "s", "t", "re", "ve", "ll", "m", "d", "S", " ", "\n", "\t", "\u0085",
         "\U0010ffff", "\u00a0", "\u3000", "\x1c", "\u200b", "a", "the", "é", "e\u0301",
         "中", "٣", "2", "²", ".", "!?", "😀", "\x00", "<|endoftext|>", "aaa"]
    ),
    max_size=16,
).map("".join)  # fmt: skip


def encoder(tokenizer):
    return tf.function(
        tokenizer.encode_rows,
        input_signature=[
            tf.TensorSpec((None,), tf.string),
            tf.TensorSpec((), tf.int32),
        ],
    )


def assert_graph_equals_library(tokenizer, encode_rows, texts):
    tokens, num_tokens, error = encode_rows(tf.constant(texts), 512)
    assert not any(error.numpy())
    for row, count, text in zip(tokens.numpy(), num_tokens.numpy(), texts, strict=True):
        assert row[:count].tolist() == tokenizer._library.encode(text).ids, text


ORDERED = BPETokenizer.train(TEXT, 420)
ORDERED_ROWS = encoder(ORDERED)
# "abc" is made in two ways, and what uses it ranks before one of them.
_LETTERS = [*byte_spelling(), "bc", "abc", "ab", "abcabc", "aa", "<|endoftext|>"]
UNORDERED = BPETokenizer(_LETTERS, ["b c", "a bc", "abc abc", "a a", "a b", "ab c"])
UNORDERED_ROWS = encoder(UNORDERED)


@settings(max_examples=300)
@given(st.lists(any_text | near_the_pattern, min_size=1, max_size=6))
def test_rows_equal_the_library(texts):
    assert_graph_equals_library(ORDERED, ORDERED_ROWS, texts)


@given(st.lists(st.text("abc ", max_size=20), min_size=1, max_size=6))
def test_rows_equal_the_library_where_a_token_is_made_in_two_ways(texts):
    assert_graph_equals_library(UNORDERED, UNORDERED_ROWS, texts)


def test_vocabularies_that_make_a_token_once_are_in_order():
    assert ORDERED._merge_table.in_order
    assert not BPETokenizer(
        _LETTERS, ["b c", "a bc", "abc abc", "a b", "ab c"]
    )._merge_table.in_order


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 8, 17, 200])
def test_equal_letters_merge_from_the_left(length):
    assert_graph_equals_library(ORDERED, ORDERED_ROWS, ["a" * length, "", "'" * length])


def test_a_row_does_not_depend_on_its_neighbours():
    texts = ["it'", "s 12", "3", " ", " a", "\n", "ll"]
    assert_graph_equals_library(ORDERED, ORDERED_ROWS, texts)


def test_repeated_pairs_count_as_the_library_counts_them():
    tokenizer = BPETokenizer(_LETTERS, ["a b", "b c", "a bc", "a b"])
    assert_graph_equals_library(tokenizer, tokenizer.encode_rows, ["abc ab abcab"])


@pytest.mark.slow
def test_every_code_point_is_cut_as_the_library_cuts_it():
    code_points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    everything = "".join(f"a{c} b{c}1 {c}{c}\n" for c in map(chr, code_points))
    texts = [everything[i : i + 900] for i in range(0, len(everything), 900)]
    for start in range(0, len(texts), 400):
        rows = texts[start : start + 400]
        tokens, num_tokens, _ = ORDERED_ROWS(tf.constant(rows), 8192)
        expected = ORDERED._library.encode_batch_fast(rows)
        for row, count, found in zip(
            tokens.numpy(), num_tokens.numpy(), expected, strict=True
        ):
            np.testing.assert_array_equal(row[:count], found.ids)
