"""Text from files, sets and Python itself, cut into splits and made into tokens."""

import dataclasses

import numpy as np
import pytest

import tfgenai
import tfgenai.data as data
from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data import CharTokenizer, TextDataset, load
from tfgenai.data.sources.text_files import TextFiles
from tfgenai.data.text import describe_text
from tfgenai.data.tfds_builders import get_builder, prepare

TEXT = "The cat sat.\r\nOn the mat, né?\n" * 20
HALVES = ("train[:90%]", "train[90%:]")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "one.txt"
    path.write_bytes(TEXT.encode())
    return path


@pytest.fixture
def folder(tmp_path):
    for number in range(20):
        path = tmp_path / "many" / f"{number % 3}" / f"{number:02}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        # 5 and 15 are copies of one another.
        path.write_text(f"document {number % 10 if number in (5, 15) else number}")
    return tmp_path / "many"


def targets(dataset):
    rows = np.concatenate([batch.numpy() for batch in dataset])[:, 1:].ravel()
    return rows[rows != -1]


def test_one_document_is_cut_between_characters(file):
    train, rest = load(file, split=HALVES, tokenizer="byte", sequence_length=16)
    cut = int(0.9 * len(TEXT))
    assert "".join(train.part.documents) == TEXT[:cut]
    assert "".join(rest.part.documents) == TEXT[cut:]
    assert bytes(targets(rest).tolist()).decode() == TEXT[cut:]
    assert rest.num_bytes == rest.num_tokens == len(TEXT[cut:].encode())
    assert not train.part.overlaps(rest.part)


def test_several_documents_stand_between_end_tokens(folder):
    rest = load(folder, split="train[:3]", shuffle=False, sequence_length=7)
    expected = [256]
    for document in rest.part.documents:
        expected += [*document.encode(), 256]
    assert [256, *targets(rest)] == expected
    assert rest.num_tokens == len(expected) - 1
    assert rest.num_bytes == sum(map(len, rest.part.documents))


def test_folders_may_name_splits(tmp_path):
    for name in ("train", "validation", "test"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(f"test for {name} " * 9)
    train, test = load(
        tmp_path, split=("train", "test"), tokenizer="char", sequence_length=8
    )
    assert train.part.documents == ("test for train " * 9,)
    assert test.part.documents == ("test for test " * 9,)
    assert not train.part.overlaps(test.part)


def test_tokenizers_are_trained_on_the_training_part_alone(file):
    cut = int(0.9 * len(TEXT))
    train, rest = load(file, split=HALVES, tokenizer="char", sequence_length=16)
    assert train.tokenizer is rest.tokenizer
    assert train.tokenizer == CharTokenizer.train(TEXT[:cut])
    bpe = {"name": "bpe", "vocabulary_size": 265}
    train, rest = load(file, split=HALVES, tokenizer=bpe, sequence_length=16)
    assert train.tokenizer == data.BPETokenizer.train(TEXT[:cut], 265)
    assert rest.tokenizer.decode(targets(rest)) == TEXT[cut:]
    later = load(file, split="train[90%:]", tokenizer=rest.tokenizer, shuffle=False)
    assert later.tokenizer is rest.tokenizer


def test_the_embedded_text_is_the_reference_of_python():
    train, rest = load(
        "pydoc_topics", split=HALVES, tokenizer="byte", sequence_length=128
    )
    assert isinstance(train, TextDataset)
    assert 400_000 < train.num_bytes + rest.num_bytes < 800_000
    assert any("assert" in document for document in train.part.documents)
    assert next(iter(train)).shape == (128, 129)
    card = train.card
    assert card.image_shape is None
    assert card.tokenizer == "byte, 257 tokens"
    assert set(card.splits) == set(HALVES)
    for dataset, name in zip((train, rest), HALVES, strict=True):
        split = card.splits[name]
        assert split.num_bytes == split.num_tokens == dataset.num_bytes
        assert dataset.num_tokens == split.num_tokens + split.num_examples
    assert data.DatasetCard.from_json(card.to_json()) == card
    assert "documents" in str(card)


def test_text_from_tfds(tmp_path):
    from tiny_text_tfds import TEST, TRAIN

    prepare(get_builder("tiny_texts", tmp_path))
    train, test = load(
        "tiny_texts",
        split=("train", "test"),
        data_dir=tmp_path,
        batch_size=2,
        sequence_length=8,
    )
    assert sorted(train.part.documents) == sorted(text.decode() for text in TRAIN)
    assert bytes(targets(test).tolist()) == TEST[0]
    split = train.card.splits["train"]
    assert (split.num_examples, split.num_duplicates) == (4, 1)
    assert (split.num_characters, split.num_bytes, split.num_tokens) == (32, 33, 33)
    described = describe_text("tiny_texts", data_dir=tmp_path).splits["train"]
    assert described == dataclasses.replace(split, num_tokens=None)


@pytest.mark.data
def test_shakespeare_has_the_published_validation_part(test_data, tmp_path):
    file = test_data / "tiny_shakespeare" / "input.txt"
    train, rest = load(file, split=HALVES, tokenizer="char", sequence_length=64)
    assert len(train.part.documents[0]) == 1_003_854  # nanoGPT's prepare.py
    assert rest.num_tokens == 111_540
    assert train.tokenizer.vocabulary_size == 65 + 1
    assert len(targets(rest)) == 111_540
    data.import_files("tiny_shakespeare", file.parent, data_dir=tmp_path)
    both = load(
        "tiny_shakespeare",
        split=("all[:90%]", "all[90%:]"),
        tokenizer="char",
        data_dir=tmp_path,
    )
    assert both[1].part.documents == rest.part.documents
    assert both[0].part.overlaps(load("tiny_shakespeare", data_dir=tmp_path).part)


def test_bytes_that_are_no_utf8_are_named(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"caf" + b"\xe9 noir" * 30)
    with pytest.raises(DataError, match=r"latin\.txt' with the byte 0xe9 at offset 3"):
        load(path, sequence_length=8)
    found = load(path, sequence_length=8, encoding_errors="replace", shuffle=False)
    assert found.part.documents[0].startswith("caf\ufffd noir")
    with pytest.raises(ValueError, match="encoding_errors='ignore'"):
        load(path, encoding_errors="ignore")


def test_unknown_characters_of_the_validation_part_are_named(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a" * 90 + "xyzzy" * 2, encoding="utf-8")
    with pytest.raises(DataError, match=r"split='train\[90%:\]'.*such as 'xyz'"):
        load(path, split=HALVES, tokenizer="char", sequence_length=4)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"sequence_length": 0}, ValueError, "sequence_length >= 1"),
        ({"sequence_length": 2.5}, TypeError, "sequence_length=2.5"),
        ({"batch_size": 0}, ValueError, "batch_size >= 1"),
        ({"sequence_length": 10_000}, DataError, "smaller sequence_length"),
        ({"split": "test"}, DataError, r"one of \['train'\]"),
        ({"split": "train[5:5]"}, DataError, "selects none of"),
        ({"split": "train["}, DataError, "cannot be read"),
        ({"split": ()}, DataError, "One split or more"),
        ({"tokenizer": "bytes"}, ValueError, "Did you mean 'byte'"),
        ({"tokenizer": 3}, TypeError, "tokenizer=3"),
        ({"tokenizer": {"name": "bpe", "size": 3}}, ValueError, "size"),
        ({"image_size": 8}, DataError, "image_size=8"),
        ({"augment": ["flip"]}, DataError, r"augment=\['flip'\]"),
        ({"binarize": "static"}, DataError, "binarize='static'"),
        ({"drop_remainder": True, "batch_size": 999}, DataError, "smaller batch_size"),
    ],
)
def test_what_does_not_fit_is_refused(file, arguments, error, words):
    with pytest.raises(error, match=words):
        load(file, **{"sequence_length": 8} | arguments)


def test_tokenizers_are_not_trained_on_test_text(tmp_path):
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text("some text " * 9)
    with pytest.raises(DataError, match="training split was expected first"):
        load(tmp_path, split="test", tokenizer="char", sequence_length=8)


def test_text_arguments_are_refused_for_images():
    with pytest.raises(DataError, match="name_or_path='digits', which holds none"):
        load("digits", tokenizer="byte")
    with pytest.raises(DataError, match="'mnist', which holds none"):
        load("mnist", sequence_length=8)


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataNotFoundError, match="where there is none"):
        load(tmp_path / "none.txt")
    with pytest.raises(DataNotFoundError, match="where there is none"):
        load(str(tmp_path / "*.txt"))
    with pytest.raises(DataNotFoundError, match="Did you mean 'tiny_shakespeare'"):
        load("tiny_shakespear", tokenizer="byte")
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(DataError, match="which holds none"):
        load(tmp_path / "empty.txt")


def test_folders_of_images_stay_images(write_images):
    folder = write_images(["a/1.png", "a/2.png", "b/1.png", "b/2.png"])
    assert len(load(folder, split="all", batch_size=2).element_spec) == 2


def test_the_card_of_a_set_counts_its_text(file):
    split = describe_text(file).splits["train"]
    assert (split.num_characters, split.num_bytes) == (len(TEXT), len(TEXT.encode()))
    assert (split.num_examples, split.num_tokens, split.mean) == (1, None, None)
    assert data.describe(file) == describe_text(file)
    with pytest.raises(DataError, match="image_size=8"):
        data.describe(file, image_size=8)


def test_random_windows_in_order_are_a_contradiction(file):
    with pytest.raises(ValueError, match="shuffle=False, steps_per_epoch=5"):
        load(file, tokenizer="byte", shuffle=False, steps_per_epoch=5)


@pytest.mark.parametrize(
    ("tokenizer", "spelled"),
    [
        (None, "'byte'"),
        ("char", "'char'"),
        ("bpe", "'bpe'"),
        ({"name": "char"}, "'char'"),
        (
            {"name": "bpe", "vocabulary_size": 265},
            "{'name': 'bpe', 'vocabulary_size': 265}",
        ),
        (data.ByteTokenizer(), "'byte'"),
        (data.BPETokenizer.train(TEXT, 262), "tokenizer"),
        (CharTokenizer.train(TEXT + "xyz\ufffd"), "tokenizer"),
    ],
)
@pytest.mark.parametrize(
    ("split", "encoding_errors"), [(HALVES, "strict"), ("train[:50%]", "replace")]
)
def test_the_line_of_the_card_gives_the_same_tokens(
    file, tokenizer, spelled, split, encoding_errors
):
    if encoding_errors == "replace":
        file.write_bytes(TEXT.encode("latin-1"))
    found = load(
        file,
        split=split,
        tokenizer=tokenizer,
        sequence_length=16,
        encoding_errors=encoding_errors,
        seed=3,
    )
    found = [found] if isinstance(split, str) else found
    line = found[0].card.reproduce
    assert f"tokenizer={spelled}, " in line
    assert ("encoding_errors='replace'" in line) == (encoding_errors == "replace")
    names = {"tfgenai": tfgenai, "tokenizer": found[0].tokenizer}
    again = eval(line, names)  # noqa: S307 - our own line
    again = [again] if isinstance(split, str) else again
    for first, second in zip(found, again, strict=True):
        assert second.tokenizer == first.tokenizer
        assert second.card == first.card
        for one, other in zip(first, second, strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_line_of_the_card_knows_what_a_source_does_with_bad_bytes(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"caf" + b"\xe9 noir" * 30)
    source = TextFiles(tmp_path / "a.txt", encoding_errors="replace")
    for card in (load(source, sequence_length=8).card, data.describe(source)):
        assert "encoding_errors='replace'" in card.reproduce
    card = load("pydoc_topics", sequence_length=8, encoding_errors="replace").card
    assert "encoding_errors" not in card.reproduce  # it holds no such bytes
