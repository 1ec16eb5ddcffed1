"""Sets of text that TFDS knows: what is a text, and in which order texts are read."""

import numpy as np
import pytest
import tensorflow_datasets as tfds
from etils import epath

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data import load
from tfgenai.data.sources import tfds_text
from tfgenai.data.sources.tfds_text import TFDSText, is_set_of_text
from tfgenai.data.tfds_builders import get_builder, prepare


class TinyStretches(tfds.core.GeneratorBasedBuilder):
    """One text in three stretches, under keys of which one alone is text."""

    pkg_dir_path = epath.Path(__file__).parent
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return self.dataset_info_from_configs(
            description="One text in three stretches.",
            features=tfds.features.FeaturesDict(
                {"line": tfds.features.Text(), "number": tfds.features.Scalar(np.int64)}
            ),
        )

    def _split_generators(self, dl_manager):
        return {
            "test": self._rows([b"end."]),
            "train": self._rows([b"caf\xe9 "]),
            "validation": self._rows([b"and "]),
        }

    def _rows(self, texts):
        for i, text in enumerate(texts):
            yield i, {"line": text, "number": i}

    def _generate_examples(self, **kwargs):
        raise NotImplementedError


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A folder with the prepared sets `tiny_texts` and `tiny_stretches`."""
    import tiny_text_tfds  # noqa: F401 - TFDS knows a set when its class is made

    folder = tmp_path_factory.mktemp("tfds")
    for name in ("tiny_texts", "tiny_stretches"):
        prepare(get_builder(name, folder))
    return folder


def test_each_record_is_a_document_and_the_order_stays(data_dir):
    from tiny_text_tfds import TEST, TRAIN

    source = TFDSText("tiny_texts", data_dir=data_dir)
    assert source.split_names() == ["train", "test"]
    documents = source.read("train")
    assert sorted(documents) == sorted(text.decode() for text in TRAIN)
    assert documents == TFDSText("tiny_texts", data_dir=data_dir).read("train")
    assert source.read("test") == [text.decode() for text in TEST]
    with pytest.raises(DataError, match=r"\['train', 'test'\].*split='all'"):
        source.read("all")


def test_the_stretches_of_one_text_are_all_of_it_in_their_order(data_dir, monkeypatch):
    order = ("train", "validation", "test")
    monkeypatch.setitem(tfds_text._STRETCHES, "tiny_stretches", order)
    source = TFDSText("tiny_stretches", data_dir=data_dir, encoding_errors="replace")
    assert source.split_names()[-1] == "all"
    assert sorted(source.split_names()[:-1]) == sorted(order)
    assert source.read("all") == ["caf\ufffd and end."]
    part = load(
        "tiny_stretches",
        split="all[-8:]",
        data_dir=data_dir,
        encoding_errors="replace",
        tokenizer="byte",
        sequence_length=2,
    ).part
    assert part.documents == ("and end.",)


def test_shakespeare_is_one_text_in_three_stretches_without_a_licence(tmp_path):
    source = TFDSText("tiny_shakespeare", data_dir=tmp_path)
    assert source._stretches == ("train", "validation", "test")
    assert source.licence == "public domain"
    assert "tiny_shakespeare/1.0.0" in source.origin
    assert f"TensorFlow Datasets {tfds.__version__}" in source.origin


def test_a_record_that_is_no_utf8_is_named(data_dir):
    source = TFDSText("tiny_stretches", data_dir=data_dir)
    assert source.read("test") == ["end."]
    words = "'tiny_stretches', record 0 of 'train', with the byte 0xe9 at offset 3"
    with pytest.raises(DataError, match=words):
        source.read("train")


def test_the_card_says_that_tfds_records_no_licence(data_dir):
    source = TFDSText("tiny_texts", data_dir=data_dir)
    assert source.homepage.endswith("tiny_texts")
    assert source.licence == f"not recorded by TFDS; see {source.homepage}"
    assert source.origin.endswith("builder tiny_texts/1.0.0")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("tiny_shakespeare", "text"),
        ("imdb_reviews", "text"),  # beside a label
        ("wiki40b/en", "text"),  # beside two other texts
        ("tiny_stretches", "line"),  # the only one
        ("glue/mrpc", None),  # two sentences, neither of which is "the" text
        ("mnist", None),
        ("coco_captions", None),  # images with captions
    ],
)
def test_the_text_of_a_record_is_found_by_kind_and_name(name, key, tmp_path):
    assert is_set_of_text(name, tmp_path) == (key is not None)
    if key is not None:
        assert TFDSText(name, data_dir=tmp_path)._key == key
    else:
        with pytest.raises(DataError, match=f"one text in each.*name='{name}'"):
            TFDSText(name, data_dir=tmp_path)


def test_sets_and_versions_that_are_not_there_are_none_of_text(tmp_path):
    for name in ("no_such_set", "tiny_shakespeare:9.9.9"):
        assert not is_set_of_text(name, tmp_path)
        with pytest.raises(DataNotFoundError, match=f"name='{name}'"):
            TFDSText(name, data_dir=tmp_path)
