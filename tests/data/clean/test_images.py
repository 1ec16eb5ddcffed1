"""Rules of images against images that break them by a known amount."""

import io

import numpy as np
import pytest
from dirty_images import jpeg, mnist, scenes
from PIL import Image

from tfgenai.core.errors import ConfigError
from tfgenai.core.numpy_random import numpy_generator
from tfgenai.data import images as tf_images
from tfgenai.data.clean.all_rules import rule_class
from tfgenai.data.clean.image_rule import grey_of, resized
from tfgenai.data.clean.images import (
    Blurred,
    Constant,
    ImageMode,
    ImageSize,
    NearBlack,
    Orientation,
)
from tfgenai.data.raw.example import Example
from tfgenai.data.raw.reading import to_example


def example(image, **options):
    return Example("a", np.asarray(image, np.uint8), data=b"file", **options)


def noise(*shape):
    return numpy_generator(3).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("limits", "is_found"),
    [
        ({"min_height": 20}, False),
        ({"min_height": 21}, True),
        ({"min_width": 31}, True),
        ({"max_height": 20, "max_width": 30}, False),
        ({"max_height": 19}, True),
        ({"max_width": 29}, True),
        ({"max_aspect": 1.5}, False),
        ({"max_aspect": 1.4}, True),
        ({"size": [20, 30]}, False),
        ({"size": [30, 20]}, True),
    ],
)
def test_size_of_20_by_30(limits, is_found):
    found = ImageSize(**limits).check(example(noise(20, 30, 1)))
    assert (found is not None) == is_found
    if found:
        assert found.startswith("20 x 30 pixels")


def test_size_is_mended_within_the_limits_alone():
    rule = ImageSize(action="repair", size=[16, 16], min_height=18)
    mended = rule.repair(example(noise(20, 30, 3)))
    assert mended.content.shape == (16, 16, 3)
    assert mended.data is None
    small = example(noise(17, 30, 3))
    assert "less than 18" in rule.check(rule.repair(small))


@pytest.mark.parametrize("size", [(12, 12), (20, 50), (64, 64), (7, 3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_resizing_is_that_of_tensorflow(size, channels):
    """But for rounding: Pillow counts in eighths of a thousandth of a level."""
    image = noise(40, 61, channels)
    expected = np.asarray(tf_images.resize(image, size), int)
    assert np.abs(resized(image, *size).astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    "options",
    [
        {"min_height": 0},
        {"max_width": 1.5},
        {"min_width": 9, "max_width": 8},
        {"max_aspect": 0.5},
        {"size": [4]},
        {"size": [4, 0]},
        {"action": "repair"},
    ],
)
def test_sizes_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigError, match="Received"):
        ImageSize(**options)


def test_mode_is_mended_both_ways():
    grey, colour = example(noise(5, 6, 1)), example(noise(5, 6, 3))
    rule = ImageMode(channels=1)
    assert rule.check(grey) is None
    assert rule.check(colour) == "3 channels"
    mended = rule.repair(colour).content
    assert mended.shape == (5, 6, 1)
    assert np.abs(mended[..., 0] - grey_of(colour.content)).max() <= 1
    tripled = ImageMode(channels=3).repair(grey).content
    np.testing.assert_array_equal(tripled, np.repeat(grey.content, 3, axis=-1))
    with pytest.raises(ConfigError, match="channels=4"):
        ImageMode(channels=4)


@pytest.mark.parametrize("value", range(1, 9))
def test_orientation_of_a_photograph_is_let_go_with_its_file(value):
    image = scenes(1, 40, 60, numpy_generator(4))[0]
    exif = Image.Exif()
    exif[0x0112] = value
    photo = to_example("a.jpg", jpeg(image, exif=exif), "images")
    rule = Orientation()
    if value == 1:
        assert rule.check(photo) is None
        return
    assert rule.check(photo) == f"EXIF orientation {value}"
    mended = rule.repair(photo)
    assert rule.check(mended) is None
    assert mended.data is None
    assert photo.notes["orientation"] == value
    assert mended.content.shape == ((60, 40, 3) if value >= 5 else (40, 60, 3))
    assert mended.content is photo.content


def test_constant_is_told_by_the_channel_that_differs_most():
    """Half of the pixels at +d and half at -d have the standard deviation d."""
    image = np.full((10, 10, 3), 100)
    image[::2, :, 1] = 104
    assert Constant().check(example(image)) is None
    image[::2, :, 1] = 103
    assert Constant().check(example(image)) == (
        "a deviation of 1.50 levels, less than 2"
    )
    assert Constant(min_deviation=1.5).check(example(image)) is None


def test_near_black_counts_bright_pixels_of_any_channel():
    image = np.full((20, 50, 3), 32)
    image[0, :4, 2] = 33
    assert NearBlack().check(example(image)) == (
        "0.40% of the pixels are brighter than 32"
    )
    image[0, 4, 0] = 33
    assert NearBlack().check(example(image)) is None
    assert NearBlack(level=33).check(example(image)) is not None


def test_blur_is_the_variance_of_the_laplacian():
    """A chequerboard of 0 and 2 has a Laplacian of 8 and -8 in turn."""
    board = 2 * (np.indices((10, 12)).sum(axis=0) % 2)[..., np.newaxis]
    assert Blurred(min_variance=64.1).check(example(board)) == (
        "a Laplacian of variance 64.0, less than 64.1"
    )
    assert Blurred(min_variance=64).check(example(board)) is None
    assert Blurred().action == "keep"
    assert Blurred().check(example(np.zeros((2, 2, 1)))) is None


@pytest.mark.parametrize(
    ("rule", "options"),
    [
        (Constant, {"min_deviation": 0}),
        (NearBlack, {"level": 255}),
        (NearBlack, {"min_share": 0}),
        (Blurred, {"min_variance": 0}),
    ],
)
def test_wrong_thresholds_are_refused(rule, options):
    with pytest.raises(ConfigError, match="Received"):
        rule(**options)


@pytest.mark.parametrize(
    "rule", [ImageSize, ImageMode, Orientation, Constant, NearBlack, Blurred]
)
def test_rules_are_found_by_name_for_images_alone(rule):
    assert rule_class(rule.name) is rule
    assert rule.kinds == ("images",)
    assert rule().describe()["rule"] == rule.name
    if rule is not Orientation:
        with pytest.raises(TypeError, match="image"):
            rule().check(Example("a", "text"))


@pytest.mark.data
def test_planted_faults_in_mnist_are_told_from_its_digits(test_data):
    """Recall and precision; the seed was never looked at while rules were made."""
    digits = mnist(test_data, "t10k")[:3000]
    generator = numpy_generator(20261127, 7)
    levels = generator.integers(0, 256, (100, 1, 1, 1))
    grain = generator.normal(0, 1, (100, 28, 28, 1))
    flat = np.clip(np.rint(levels + grain), 0, 255).astype(np.uint8)
    dark = np.clip(generator.normal(4, 4, (100, 28, 28, 1)), 0, 32).astype(np.uint8)
    for rule, planted in ((Constant(), flat), (NearBlack(), dark)):
        hits = sum(rule.check(example(image)) is not None for image in planted)
        false = sum(rule.check(example(image)) is not None for image in digits)
        assert hits >= 95
        assert hits / (hits + false) >= 0.95


def test_planted_bad_files_are_told_from_good_ones():
    """Recall and precision of what cannot be read, on cut and broken files."""
    generator = numpy_generator(20261127, 8)
    unreadable, truncated = rule_class("unreadable")(), rule_class("truncated")()
    for image in scenes(20, 40, 50, generator):
        good = [jpeg(image)]
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        good.append(buffer.getvalue())
        for data in good:
            assert unreadable.check(to_example("a", data, "images")) is None
            cut = data[: generator.integers(len(data) // 3, len(data) * 9 // 10)]
            assert truncated.check(to_example("a", cut, "images")) is not None
            assert unreadable.check(to_example("a", cut, "images")) is not None
        broken = to_example("a", generator.bytes(500), "images")
        assert unreadable.check(broken).startswith("unreadable: ")
        assert truncated.check(broken) is None
