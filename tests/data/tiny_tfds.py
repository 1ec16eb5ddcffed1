"""A TFDS set of 40 + 20 images of 4 x 4 pixels, made from two original files."""

import hashlib
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from tfgenai.core.random import numpy_generator

NUM_TRAIN, NUM_TEST = 40, 20
_RNG = numpy_generator(5)
IMAGES = _RNG.integers(0, 256, (NUM_TRAIN + NUM_TEST, 4, 4, 1)).astype(np.uint8)
LABELS = np.arange(NUM_TRAIN + NUM_TEST) % 3
FILES = {
    "tiny-images.bin": IMAGES.tobytes(),
    "tiny-labels.bin": LABELS.astype(np.uint8).tobytes(),
}
URLS = {name: f"https://tiny-images.invalid/{name}" for name in FILES}


class TinyImages(tfds.core.GeneratorBasedBuilder):
    """Images that mean nothing."""

    pkg_dir_path = epath.Path(__file__).parent
    VERSION = tfds.core.Version("1.0.0")
    url_infos = {  # noqa: RUF012 - what TFDS reads from a file for its own sets
        URLS[name]: tfds.download.checksums.UrlInfo(
            size=tfds.core.units.Size(len(data)),
            checksum=hashlib.sha256(data).hexdigest(),
            filename=name,
        )
        for name, data in FILES.items()
    }

    def _info(self):
        return self.dataset_info_from_configs(
            description="Images that mean nothing.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(4, 4, 1)),
                    "label": tfds.features.ClassLabel(names=["a", "b", "c"]),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        paths = dl_manager.download(dict(URLS))
        images = np.frombuffer(Path(paths["tiny-images.bin"]).read_bytes(), np.uint8)
        labels = np.frombuffer(Path(paths["tiny-labels.bin"]).read_bytes(), np.uint8)
        images = images.reshape(-1, 4, 4, 1)
        return {
            "train": self._rows(images[:NUM_TRAIN], labels[:NUM_TRAIN]),
            "test": self._rows(images[NUM_TRAIN:], labels[NUM_TRAIN:]),
        }

    def _rows(self, images, labels):
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield i, {"image": image, "label": int(label)}

    def _generate_examples(self, **kwargs):
        raise NotImplementedError


def write_originals(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return folder
