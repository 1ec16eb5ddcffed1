import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.data.tokenizers import CharTokenizer


def test_ids_are_the_order_of_code_points():
    tokenizer = CharTokenizer.train(["hello", "wörld 😀"])
    assert tokenizer.characters == " dehlorwö😀"
    assert tokenizer.vocabulary_size == 11
    assert tokenizer.end_token == 10
    assert tokenizer.token_bytes()[-2] == "😀".encode()
    assert tokenizer.encode("😀 d").tolist() == [9, 0, 1]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_tokenizer_knows_the_text_that_it_was_trained_on(text):
    tokenizer = CharTokenizer.train(text)
    expected = [sorted(set(text)).index(character) for character in text]
    assert tokenizer.encode(text).tolist() == expected
    tokens, num_tokens, error = tokenizer.encode_rows(tf.constant([text]), len(text))
    assert tokens.numpy()[0].tolist() == expected
    assert num_tokens[0] == len(text)
    assert error[0] == b""


def test_unknown_characters_are_named():
    tokenizer = CharTokenizer.train("abc")
    with pytest.raises(ValueError, match=r"3 were expected.*such as 'xé'.*character 2"):
        tokenizer.encode("abxéx")


def test_unknown_characters_are_the_error_of_their_row():
    tokenizer = CharTokenizer.train("abc")
    tokens, num_tokens, error = tokenizer.encode_rows(
        tf.constant(["ab", "aé😀", "", "x", "c"]), 4, name="texts"
    )
    assert tokens.numpy().tolist() == [
        [0, 1, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [2, 0, 0, 0],
    ]
    assert num_tokens.numpy().tolist() == [2, 0, 0, 0, 1]
    first = "texts: characters of the model's 3 were expected. Received: "
    assert [words.decode() for words in error.numpy()] == [
        "",
        first + "'é' at character 1.",
        "",
        first + "'x' at character 0.",
        "",
    ]


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(ValueError, match="without any characters"):
        CharTokenizer.train(["", ""])
    with pytest.raises(ValueError, match="One character or more"):
        CharTokenizer("")
    with pytest.raises(TypeError, match="texts with bytes"):
        CharTokenizer.train([b"abc"])
