import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.data.tokenizers import ByteTokenizer

surrogate_free = st.text(st.characters(exclude_categories=["Cs"]))


@given(surrogate_free)
def test_tokens_are_the_bytes_of_utf8(text):
    tokenizer = ByteTokenizer()
    assert tokenizer.encode(text).tolist() == list(text.encode("utf-8"))
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(st.lists(surrogate_free, min_size=1, max_size=4))
def test_a_graph_gives_the_bytes_too(texts):
    tokens, num_tokens, _ = ByteTokenizer().encode_rows(tf.constant(texts), 64)
    for row, count, text in zip(tokens.numpy(), num_tokens.numpy(), texts, strict=True):
        assert count == len(text.encode())
        assert row[: min(count, 64)].tolist() == list(text.encode()[:64])


@pytest.mark.parametrize("text", ["\x00", "a\x00", "\x00\x00b"])
def test_zeros_are_bytes_like_others(text):
    tokenizer = ByteTokenizer()
    tokens, num_tokens, _ = tokenizer.encode_rows(tf.constant([text]), 4)
    assert num_tokens[0] == len(text)
    assert tokenizer.decode_rows(tokens, num_tokens)[0] == text.encode()
