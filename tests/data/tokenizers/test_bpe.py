import json

import numpy as np
import pytest
import tokenizers

from tfgenai.core.errors import DataError, StorageError
from tfgenai.data.tokenizers import BPETokenizer, Tokenizer

TEXT = "low lower lowest, new newer newest: it's slow snow.\n" * 20


@pytest.fixture(scope="module")
def tokenizer():
    return BPETokenizer.train(TEXT, 270)


def library_of(tokenizer, folder) -> tokenizers.Tokenizer:
    tokenizer.save_assets(folder)
    return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


def test_the_first_merges_join_the_most_frequent_pairs():
    # Counted by hand: "lo" and "ow" occur 3 times in a line, "e" + "r" once.
    tokenizer = BPETokenizer.train("low low low er", 259)
    assert tokenizer.merges == ["l o", "lo w"]
    assert tokenizer.vocabulary[-3:] == ["lo", "low", "<|endoftext|>"]


def test_training_is_a_function_of_the_text(tokenizer):
    assert BPETokenizer.train(TEXT, 270) == tokenizer
    assert BPETokenizer.train([TEXT], 270) == tokenizer
    assert tokenizer.vocabulary_size == 270


def test_a_small_text_gives_a_small_vocabulary():
    assert BPETokenizer.train("abab", 5000).vocabulary_size == 258


def test_the_library_reads_what_is_saved(tokenizer, tmp_path):
    library = library_of(tokenizer, tmp_path)
    text = "the newest lowers' café isn't slow\n\n  anew"
    assert library.encode(text).ids == tokenizer.encode(text).tolist()
    assert library.token_to_id("<|endoftext|>") == tokenizer.end_token
    assert library.encode("a<|endoftext|>").ids[-1] == tokenizer.end_token


def test_a_long_text_is_cut_as_a_whole(tokenizer, tmp_path, monkeypatch):
    library = library_of(tokenizer, tmp_path)
    text = "it's  new\n\n lower. Newest, 12 3  snows;\nslow " * 30
    monkeypatch.setattr("tfgenai.data.tokenizers.bpe._PIECE", 7)
    assert tokenizer.encode(text).tolist() == library.encode(text).ids


def test_the_two_files_of_gpt2_are_read(tokenizer, tmp_path):
    vocabulary = {token: i for i, token in enumerate(tokenizer.vocabulary)}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    lines = ["#version: 0.2", *tokenizer.merges, ""]
    (tmp_path / "merges.txt").write_text("\n".join(lines), "utf-8")
    read = BPETokenizer.from_file(tmp_path / "vocab.json", tmp_path / "merges.txt")
    assert read == tokenizer


def test_an_end_token_may_have_another_place_and_spelling(tokenizer, tmp_path):
    library = library_of(tokenizer, tmp_path)
    values = json.loads(library.to_str())
    vocabulary = values["model"]["vocab"]
    shifted = {token: i + 1 for token, i in vocabulary.items() if i < 269}
    values["model"]["vocab"] = {"</s>": 0, **shifted}
    values["added_tokens"][0].update(id=0, content="</s>")
    (tmp_path / "tokenizer.json").write_text(json.dumps(values), "utf-8")
    other = Tokenizer.from_assets(tmp_path)
    assert other.end_token == 0
    np.testing.assert_array_equal(other.encode("low"), tokenizer.encode("low") + 1)
    assert other.decode(other.encode("</s>")) == "</s>"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"normalizer": {"type": "NFC"}}, "normalizer = None"),
        ({"pre_tokenizer": None}, r"pre_tokenizer\.type = 'ByteLevel'"),
        (
            {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}},
            r"add_prefix_space = False",
        ),
        ({"model": {"type": "WordPiece", "vocab": {}}}, r"model\.type = 'BPE'"),
        ({"added_tokens": []}, "number of added_tokens = 1"),
        ({"added_tokens": 3}, r"A tokenizer\.json of the tokenizers library"),
        ({"model": {"type": "BPE"}}, r"A tokenizer\.json.*'vocab'"),
        ({"model": {"type": "BPE", "vocab": {}}}, r"A tokenizer\.json.*'merges'"),
        ({"added_tokens": [{"content": "x"}]}, r"A tokenizer\.json.*'id'"),
    ],
)
def test_other_kinds_of_tokenizers_are_refused(tokenizer, tmp_path, change, words):
    values = json.loads(library_of(tokenizer, tmp_path).to_str()) | change
    (tmp_path / "tokenizer.json").write_text(json.dumps(values), "utf-8")
    with pytest.raises(DataError, match=words):
        BPETokenizer.from_file(tmp_path / "tokenizer.json")


def test_files_that_are_broken_are_refused(tokenizer, tmp_path):
    with pytest.raises(StorageError, match=r"none\.json"):
        BPETokenizer.from_file(tmp_path / "none.json")
    (tmp_path / "vocab.json").write_text('{"a": 5}')
    with pytest.raises(DataError, match="ids 0, 1, 2"):
        BPETokenizer.from_file(tmp_path / "vocab.json", tmp_path / "merges.txt")
    with pytest.raises(DataError, match=r"all 256 bytes.*without '!'"):
        BPETokenizer([t for t in tokenizer.vocabulary if t != "!"], tokenizer.merges)
    with pytest.raises(DataError, match="occur twice"):
        BPETokenizer([*tokenizer.vocabulary, "a"], tokenizer.merges)
    with pytest.raises(DataError, match="Received: 'q z'"):
        BPETokenizer(tokenizer.vocabulary, [*tokenizer.merges, "q z"])


def test_a_vocabulary_holds_all_bytes_and_the_end():
    with pytest.raises(ValueError, match="vocabulary_size=256"):
        BPETokenizer.train("abc", 256)
    assert BPETokenizer.train("abab", 257).merges == []
    assert BPETokenizer.train("abab", 257).encode("ab").tolist() == [64, 65]
