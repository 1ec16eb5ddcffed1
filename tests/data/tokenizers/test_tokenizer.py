import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.core.errors import DataError, StorageError
from tfgenai.data.tokenizers import (
    TOKENIZERS,
    BPETokenizer,
    ByteTokenizer,
    CharTokenizer,
    Tokenizer,
)
from tfgenai.data.tokenizers import tokenizer as tokenizer_module

TEXT = "the cat sat on the mat, the café's cat: «né» 中文 <|endoftext|>\n" * 4
KINDS = {
    "byte": ByteTokenizer(),
    "char": CharTokenizer.train(TEXT),
    "bpe": BPETokenizer.train(TEXT, 300),
}
IN_GRAPH = {
    name: tf.function(
        tokenizer.encode_rows,
        input_signature=[
            tf.TensorSpec((None,), tf.string),
            tf.TensorSpec((), tf.int32),
        ],
    )
    for name, tokenizer in KINDS.items()
}
every_kind = pytest.mark.parametrize("name", KINDS)
# Joins of pieces that break UTF-8 in every way: cut, overlong, surrogates, too high.
broken_utf8 = st.lists(
    st.sampled_from(
        [b"a", b"\x00", b"\x80", b"\xbf", b"\xc0\x80", b"\xc3", b"\xc3\xa9", b"\xe0",
         b"\xe0\x80", b"\xe4\xb8", b"\xe4\xb8\xad", b"\xed\xa0\x80", b"\xf0\x9f",
         b"\xf0\x9f\x98", b"\xf0\x9f\x98\x80", b"\xf4\x90\x80\x80", b"\xf5", b"\xff"]
    )
).map(b"".join)  # fmt: skip


def test_every_name_is_a_tokenizer():
    assert {type(KINDS[name]) for name in TOKENIZERS} == set(map(type, KINDS.values()))
    assert TOKENIZERS.kind == "tokenizer"


@every_kind
def test_text_comes_back(name):
    tokenizer = KINDS[name]
    tokens = tokenizer.encode(TEXT)
    assert tokens.dtype == np.int32
    assert tokenizer.decode(tokens) == TEXT
    assert tokens.min() >= 0
    assert tokens.max() < tokenizer.vocabulary_size


@every_kind
def test_text_never_gives_the_end_token(name):
    tokenizer = KINDS[name]
    assert tokenizer.end_token not in tokenizer.encode("<|endoftext|>")
    assert tokenizer.end_token == tokenizer.vocabulary_size - 1
    assert tokenizer.token_bytes()[tokenizer.end_token] == b""
    assert tokenizer.decode([tokenizer.end_token]) == ""
    assert len(tokenizer.token_bytes()) == tokenizer.vocabulary_size


@every_kind
def test_a_graph_encodes_rows_as_python_does(name):
    tokenizer = KINDS[name]
    texts = ["", "the cat's mat", "«né» 中文\n", "t"]
    tokens, num_tokens, error = IN_GRAPH[name](tf.constant(texts), 40)
    assert tokens.shape == (4, 40)
    assert error.numpy().tolist() == [b""] * 4
    for row, count, text in zip(tokens.numpy(), num_tokens.numpy(), texts, strict=True):
        np.testing.assert_array_equal(row[:count], tokenizer.encode(text))
        assert not row[count:].any()
    decoded = tokenizer.decode_rows(tokens, num_tokens).numpy()
    assert [text.decode() for text in decoded] == texts


@every_kind
def test_a_graph_counts_the_tokens_that_it_cuts_off(name):
    whole = KINDS[name].encode("the cat sat on a mat")
    tokens, num_tokens, error = IN_GRAPH[name](
        tf.constant(["the cat sat on a mat", "a"]), 3
    )
    assert num_tokens[0] == len(whole)
    np.testing.assert_array_equal(tokens[0], whole[:3])
    assert error[0] == b""


@every_kind
def test_an_empty_batch_has_no_rows(name):
    tokens, num_tokens, error = IN_GRAPH[name](tf.zeros((0,), tf.string), 5)
    assert tokens.shape == (0, 5)
    assert num_tokens.shape == error.shape == (0,)


@every_kind
@given(rows=st.lists(broken_utf8, min_size=1, max_size=5))
def test_bytes_that_are_no_utf8_are_the_error_of_their_row(name, rows):
    _, num_tokens, error = IN_GRAPH[name](tf.constant(np.array(rows, object)), 8)
    for row, count, words in zip(rows, num_tokens.numpy(), error.numpy(), strict=True):
        try:
            row.decode("utf-8")
        except UnicodeDecodeError:
            assert words.startswith(b"prompts: UTF-8 text was expected. Received: ")
            assert count == 0
        else:
            assert b"UTF-8" not in words


@given(rows=st.lists(broken_utf8 | st.binary(max_size=9), min_size=1, max_size=5))
def test_bytes_are_repaired_as_python_repairs_them(rows):
    tokenizer = KINDS["byte"]
    tokens = tf.ragged.constant([list(row) for row in rows], tf.int32).to_tensor()
    lengths = tf.constant([len(row) for row in rows])
    repaired = tokenizer.decode_rows(tokens, lengths).numpy()
    for row, text in zip(rows, repaired, strict=True):
        assert text == row.decode("utf-8", errors="replace").encode()
        assert tokenizer.decode(list(row)) == row.decode("utf-8", errors="replace")


@given(st.lists(st.integers(0, KINDS["bpe"].vocabulary_size - 1), max_size=12))
def test_any_tokens_decode_alike_in_a_graph(tokens):
    tokenizer = KINDS["bpe"]
    row = tf.reshape(tf.constant(tokens, tf.int32), (1, -1))
    text = tokenizer.decode_rows(row, tf.constant([len(tokens)])).numpy()[0]
    assert text.decode() == tokenizer.decode(tokens)


def test_padding_and_what_lies_behind_the_count_decode_to_nothing():
    row = tf.constant([[-1, 104, 105, 300, 106]])
    assert ByteTokenizer().decode_rows(row, tf.constant([4])).numpy() == [b"hi"]


@every_kind
def test_config_and_files_make_it_again(name, tmp_path):
    tokenizer = KINDS[name]
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(tokenizer)))
    again = keras.saving.deserialize_keras_object(config)
    assert again == tokenizer == tokenizer_module.get(config)
    assert hash(again) == hash(tokenizer)
    tokenizer.save_assets(tmp_path)
    assert Tokenizer.from_assets(tmp_path) == tokenizer
    assert all(
        Tokenizer.from_assets(tmp_path) != other
        for other in KINDS.values()
        if other is not tokenizer
    )


def test_a_name_makes_only_what_needs_no_training():
    assert tokenizer_module.get("byte") == ByteTokenizer()
    assert tokenizer_module.get(KINDS["char"]) is KINDS["char"]
    with pytest.raises(ValueError, match=r"tokenizer='bpe'.*tfgenai\.data\.load"):
        tokenizer_module.get("bpe")
    with pytest.raises(ValueError, match="Did you mean 'byte'"):
        tokenizer_module.get("bytes")
    with pytest.raises(TypeError, match="A Tokenizer or 'byte' was expected"):
        tokenizer_module.get(3)


@every_kind
def test_what_is_no_text_is_refused(name):
    with pytest.raises(TypeError, match=r"A str was expected.*decode\('utf-8'\)"):
        KINDS[name].encode(b"the")
    with pytest.raises(ValueError, match=r"lone surrogate.* at character 2"):
        KINDS[name].encode("ab\ud800")


@every_kind
@pytest.mark.parametrize("bad", [-1, 10**6])
def test_what_is_no_token_is_refused(name, bad):
    with pytest.raises(ValueError, match=rf"tokens\[1\]={bad}"):
        KINDS[name].decode([0, bad])
    with pytest.raises(ValueError, match="one row at a time"):
        KINDS[name].decode([[0, 1]])


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(StorageError, match=r"tokenizer\.json"):
        Tokenizer.from_assets(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"name": "char", "config": {"a": 1}}')
    with pytest.raises(DataError, match=r"Tokenizer\.save_assets"):
        Tokenizer.from_assets(tmp_path)


@pytest.mark.slow
@every_kind
def test_an_export_runs_where_only_tensorflow_is_imported(name, tmp_path):
    tokenizer = KINDS[name]

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def there_and_back(texts):
        tokens, num_tokens, error = tokenizer.encode_rows(texts, 64)
        return tokenizer.decode_rows(tokens, num_tokens), num_tokens, error

    module = tf.Module()
    module.there_and_back = there_and_back
    tf.saved_model.save(module, str(tmp_path))
    code = (
        "import sys, tensorflow as tf\n"
        f"loaded = tf.saved_model.load({str(tmp_path)!r})\n"
        "texts = ['the cat', '', 'caf\\u00e9 \\u4e2d']\n"
        "text, count, error = loaded.there_and_back(tf.constant(texts))\n"
        "assert [t.decode() for t in text.numpy()] == texts, text\n"
        "assert list(error.numpy()) == [b''] * 3, error\n"
        "assert not [m for m in sys.modules if m.split('.')[0] == 'tokenizers']\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["byte", "bpe"])
@given(texts=st.lists(st.text(max_size=12), min_size=1, max_size=4))
def test_any_text_comes_back_from_python_and_from_the_graph(name, texts):
    tokenizer = KINDS[name]
    assert [tokenizer.decode(tokenizer.encode(text)) for text in texts] == texts
    rows = [text.encode() for text in texts]
    tokens, num_tokens, _ = IN_GRAPH[name](tf.constant(np.array(rows, object)), 64)
    assert tokenizer.decode_rows(tokens, num_tokens).numpy().tolist() == rows
