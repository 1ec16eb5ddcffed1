"""Folders of images, a tiny TFDS set, and the real MNIST, prepared once."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def mnist_data_dir(test_data, tmp_path_factory) -> Path:
    """A folder of prepared TFDS sets that holds MNIST."""
    from tfgenai.data import import_files

    folder = tmp_path_factory.mktemp("tfds")
    import_files("mnist", test_data / "mnist", data_dir=folder)
    return folder


@pytest.fixture(scope="session")
def tiny_data_dir(tmp_path_factory) -> Path:
    """A folder of prepared TFDS sets that holds `tiny_images`."""
    from tiny_tfds import write_originals

    from tfgenai.data import import_files

    folder = tmp_path_factory.mktemp("tiny")
    import_files("tiny_images", write_originals(folder / "from"), data_dir=folder)
    return folder


@pytest.fixture
def write_images(tmp_path):
    """Writes images of one colour each; returns the folder."""

    def write(names: list[str], size=(4, 4), channels=1, start=0) -> Path:
        for i, name in enumerate(names):
            path = tmp_path / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.full((*size, channels), start + i, np.uint8)
            Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(path)
        return tmp_path / "images"

    return write
