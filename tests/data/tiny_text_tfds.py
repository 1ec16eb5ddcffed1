"""A TFDS set of text: a few short documents, two of them alike."""

import tensorflow_datasets as tfds
from etils import epath

TRAIN = [b"one fish", b"two fish", b"r\xc3\xa9d fish", b"one fish"]
TEST = [b"blue fish"]


class TinyTexts(tfds.core.GeneratorBasedBuilder):
    """Texts that mean nothing."""

    pkg_dir_path = epath.Path(__file__).parent
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return self.dataset_info_from_configs(
            description="Texts that mean nothing.",
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=["a", "b"]),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._rows(TRAIN), "test": self._rows(TEST)}

    def _rows(self, texts):
        for i, text in enumerate(texts):
            yield i, {"text": text, "label": i % 2}

    def _generate_examples(self, **kwargs):
        raise NotImplementedError
