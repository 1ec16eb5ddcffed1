"""Near duplicates of images: planted ones are found, other images are not."""

import numpy as np
import pytest
from dirty_images import CHANGES, changed, mnist, plant, scenes
from hypothesis import given
from hypothesis import strategies as st

from tfgenai.core.errors import ConfigError
from tfgenai.core.numpy_random import numpy_generator
from tfgenai.data.clean.all_rules import rule_class
from tfgenai.data.clean.bands import linked_groups
from tfgenai.data.clean.facts import Facts
from tfgenai.data.clean.image_duplicates import NearDuplicateImage
from tfgenai.data.clean.image_pictures import distances_of, picture_of
from tfgenai.data.raw.example import Example


def facts_of(images, ids=None):
    rule = NearDuplicateImage()
    measured = [rule.measure(Example("a", image)) for image in images]
    ids = ids or [f"{i:05}" for i in range(len(images))]
    columns = {key: np.stack([facts[key] for facts in measured]) for key in measured[0]}
    count = len(images)
    return Facts(ids, [None] * count, [None] * count, [b""] * count, columns)


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_found_among_scenes_and_names_its_original(change):
    """Of a scene, whose border a shift cuts, fewer are found than of digits."""
    generator = numpy_generator(5, CHANGES.index(change))
    images = scenes(100, 144, 192, generator)
    copies = [changed(image, change, generator) for image in images[:40]]
    found = NearDuplicateImage().judge(facts_of([*images, *copies]))
    assert set(found) <= set(range(100, 140))
    assert len(found) >= (30 if change == "shift" else 38)
    for row, text in found.items():
        assert text.startswith(f"near duplicate of {row - 100:05}, distance 0.00")


def test_another_size_is_no_other_image():
    generator = numpy_generator(6)
    (image,) = scenes(1, 96, 128, generator)
    large = np.repeat(np.repeat(image, 3, axis=0), 3, axis=1)
    assert list(NearDuplicateImage().judge(facts_of([image, large]))) == [1]


def test_other_colours_of_one_luma_are_another_image():
    grey = scenes(1, 40, 40, numpy_generator(7))[0].mean(axis=-1)
    red, blue = (np.repeat(grey[..., np.newaxis], 3, axis=-1) for _ in range(2))
    # Weights of luma: 0.299 of 40 red is 0.114 of 105 blue.
    red = np.clip(red * 0.5 + [40, 0, 0], 0, 255).astype(np.uint8)
    blue = np.clip(blue * 0.5 + [0, 0, 105], 0, 255).astype(np.uint8)
    facts = facts_of([red, blue])
    pictures = facts["picture"]
    assert distances_of(pictures[:1], pictures[1:])[0] < 0.001
    assert NearDuplicateImage().judge(facts) == {}
    assert 1 in NearDuplicateImage(max_colour_distance=255).judge(facts)


def test_images_of_nothing_are_no_duplicates_of_each_other():
    flat = [np.full((9, 9, 1), level, np.uint8) for level in (0, 0, 128, 255)]
    assert NearDuplicateImage().judge(facts_of(flat)) == {}


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 500, 3), (500, 1, 1), (7, 5, 3)])
def test_facts_have_one_length_whatever_the_image(shape):
    image = numpy_generator(1).integers(0, 256, shape, dtype=np.uint8)
    facts = NearDuplicateImage().measure(Example("a", image))
    sizes = {key: (value.shape, value.dtype) for key, value in facts.items()}
    assert sizes == {"picture": ((256,), np.uint8), "colours": ((32,), np.uint8)}


@given(down=st.integers(-6, 6), right=st.integers(-6, 6), gain=st.floats(0.5, 2.0))
def test_place_and_contrast_do_not_change_the_picture(down, right, gain):
    image = np.zeros((28, 28, 1))
    image[8:20, 9:19, 0] = numpy_generator(2).integers(20, 120, (12, 10))
    moved = np.roll(image, (down, right), (0, 1)) * gain
    # Whole levels of a scaled image are off by half a level.
    pictures = [picture_of(x.astype(np.uint8)).astype(int) for x in (image, moved)]
    assert np.abs(pictures[0] - pictures[1]).max() <= 3


def test_groups_are_those_of_comparing_all():
    """Many rows, so that they are looked for by bands."""
    generator = numpy_generator(8)
    images = scenes(200, 24, 24, generator)
    images += [changed(image, "jpeg", generator) for image in images[:60]]
    facts = facts_of(images)
    pictures, colours = facts["picture"], facts["colours"]
    left, right = np.triu_indices(len(pictures), 1)
    is_near = distances_of(pictures[left], pictures[right]) <= 0.004
    difference = colours[left].astype(float) - colours[right]
    is_near &= np.square(difference).mean(axis=1) <= 64
    expected = linked_groups(len(images), left[is_near], right[is_near])
    assert len(expected) > 40
    assert NearDuplicateImage().groups(facts) == expected


def test_many_copies_of_few_images_end_in_one_group_each():
    """Of low rank and in large buckets; each pair cannot be compared."""
    generator = numpy_generator(9)
    images = scenes(3, 24, 24, generator)
    copies = [changed(images[i % 3], "noise", generator) for i in range(600)]
    facts = facts_of(copies)
    groups = NearDuplicateImage().groups(facts)
    assert groups == [list(range(i, 600, 3)) for i in range(3)]
    assert len(NearDuplicateImage().judge(facts)) == 597


def test_what_is_a_group_does_not_depend_on_the_order_of_rows():
    generator = numpy_generator(10)
    images = scenes(200, 24, 24, generator)
    images += plant(images, 40, generator)[0]
    order = generator.permutation(len(images))
    rule = NearDuplicateImage()
    groups = rule.groups(facts_of(images))
    others = rule.groups(facts_of([images[row] for row in order]))
    assert groups == sorted(sorted(order[group].tolist()) for group in others)


def test_equal_images_are_linked_to_the_first_and_listed_with_distance_0():
    image, other = scenes(2, 24, 24, numpy_generator(11))
    rule = NearDuplicateImage()
    facts = facts_of([image, other, image, image], ["a", "b", "c", "d"])
    assert rule.groups(facts) == [[0, 2, 3]]
    text = "near duplicate of a, distance 0.0000"
    assert rule.judge(facts) == {2: text, 3: text}


def test_wrong_arguments_and_recipes():
    assert rule_class("near_duplicate_image") is NearDuplicateImage
    for options in ({"max_distance": 0}, {"max_colour_distance": -1}):
        with pytest.raises(ConfigError, match="Received"):
            NearDuplicateImage(**options)
    with pytest.raises(TypeError, match="image"):
        NearDuplicateImage().measure(Example("a", "text"))


@pytest.mark.data
def test_mnist_recall_and_precision(test_data):
    """300 planted among 10,000; the seed was never looked at while rules were made."""
    images = mnist(test_data, "t10k")
    copies, rows = plant(images, 300, numpy_generator(20261127, 6))
    found = NearDuplicateImage().judge(facts_of([*images, *copies]))
    right = sum(
        found.get(len(images) + i, "").startswith(f"near duplicate of {row:05},")
        for i, row in enumerate(rows)
    )
    assert right / 300 >= 0.95
    assert right / len(found) >= 0.95
