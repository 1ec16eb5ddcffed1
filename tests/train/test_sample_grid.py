"""Sample grids: when, of what seeds and labels, and that they are whole pictures."""

import numpy as np
import pytest
from PIL import Image
from tiny_training import TinyData, compiled_model

from tfgenai.evaluate.grid import image_grid
from tfgenai.train import SampleGrid
from tfgenai.train.sample_grid import display_scale


def test_pictures_are_of_the_same_seeds_and_all_labels(tmp_path):
    model = compiled_model()
    untrained = model.generate(6, seed=3, labels=[0, 1, 2, 0, 1, 2])
    grid = SampleGrid(tmp_path, num_samples=6, seed=3, every=2)
    model.fit(TinyData(), epochs=3, verbose=0, callbacks=[grid])
    names = ["epoch-0000.png", "epoch-0002.png", "epoch-0003.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for epoch, images in (
        (0, untrained),
        (3, model.generate(6, seed=3, labels=[0, 1, 2, 0, 1, 2])),
    ):
        with Image.open(grid.path_of(epoch)) as picture:
            expected = np.asarray(image_grid(images, 3, scale=8))
            np.testing.assert_array_equal(np.asarray(picture), expected)


def test_one_label_and_further_conditions_are_passed_on(tmp_path):
    model = compiled_model()
    grid = SampleGrid(tmp_path, num_samples=4, labels=2, scale=0.0)
    grid.set_model(model)
    grid.on_epoch_begin(0)
    images = model.generate(4, labels=2, scale=0.0)
    with Image.open(grid.path_of(0)) as picture:
        expected = np.asarray(image_grid(images, scale=8))
        np.testing.assert_array_equal(np.asarray(picture), expected)


def test_small_images_are_enlarged():
    sides = {8: 4, 28: 2, 32: 1, 64: 1}
    assert {s: display_scale(np.zeros((1, s, s, 1))) for s in sides} == sides


@pytest.mark.parametrize("arguments", [{"num_samples": 0}, {"every": 0}])
def test_numbers_that_are_not_positive_are_refused(arguments):
    name, value = next(iter(arguments.items()))
    with pytest.raises(ValueError, match=f"{name}={value}"):
        SampleGrid("folder", **arguments)
