"""Which source a name or a path stands for, and labels that are out of range."""

from pathlib import Path

import numpy as np
import pytest

from tfgenai.core.errors import DataError, DataNotFoundError
from tfgenai.data.sources import SOURCES, open_source
from tfgenai.data.sources.embedded import Digits
from tfgenai.data.sources.image_folder import ImageFolder
from tfgenai.data.sources.tfds import TFDS


def test_names_paths_and_sources_are_told_apart(write_images, monkeypatch):
    folder = write_images(["a/0.png", "b/1.png"])
    monkeypatch.chdir(folder.parent)
    assert isinstance(open_source("digits"), Digits)
    assert isinstance(open_source("mnist"), TFDS)
    assert isinstance(open_source("tfds:mnist"), TFDS)
    for path in (folder, str(folder), "./images", Path("images"), "images"):
        assert isinstance(open_source(path), ImageFolder)
    source = Digits()
    assert open_source(source) is source
    assert {"digits", "folder", "tfds"} <= set(SOURCES.names())


def test_a_bare_name_is_a_set_before_it_is_a_folder(write_images, monkeypatch):
    folder = write_images(["0.png"])
    monkeypatch.chdir(folder.parent)
    folder.rename("mnist")
    assert isinstance(open_source("mnist"), TFDS)
    assert isinstance(open_source("./mnist"), ImageFolder)
    assert isinstance(open_source("folder:mnist"), ImageFolder)


@pytest.mark.parametrize("path", ["./absent", "/absent/folder", "~/absent-folder"])
def test_folders_that_are_not_there_are_refused(path):
    with pytest.raises(DataNotFoundError, match="folder of images that exists"):
        open_source(path)


@pytest.mark.parametrize("value", [None, 3, ""])
def test_what_is_no_name_is_refused(value):
    with pytest.raises(TypeError, match="name_or_path="):
        open_source(value)


def test_labels_out_of_range_are_counted_and_located():
    ids = [f"x/{i}" for i in range(8)]
    labels = np.array([0, 10, 3, -1, 9, 11, 2, 1])
    with pytest.raises(DataError, match=r"3 outside of it.*x/1: 10, x/3: -1, x/5: 11"):
        Digits().check_labels(labels, ids)
    assert Digits().check_labels(labels % 10, ids).dtype == np.int32
