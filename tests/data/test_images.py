"""Scaling, resizing and decoding, held against NumPy and known pictures."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from tfgenai.core.random import numpy_generator
from tfgenai.data.images import decode, resize, shape_in_header, to_float, to_uint8


def encoded(picture: Image.Image, kind="png", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(*shape) -> np.ndarray:
    return numpy_generator(2).integers(0, 256, shape).astype(np.uint8)


def test_all_256_levels_come_back_and_fill_the_range():
    levels = np.arange(256, dtype=np.uint8)
    x = to_float(levels).numpy()
    np.testing.assert_allclose(x, levels / 127.5 - 1, atol=1e-7)
    assert (x.min(), x.max(), x.dtype) == (-1.0, 1.0, np.float32)
    np.testing.assert_array_equal(to_uint8(x), levels)


def test_values_outside_of_the_range_are_clipped():
    assert to_uint8(np.array([-3.0, 3.0])).numpy().tolist() == [0, 255]


def test_halving_is_a_triangle_filter_of_twice_the_width():
    # Bilinear with antialias: weights 1, 3, 3, 1 over 8 around each new pixel.
    image = noise(1, 8, 8, 1)
    kernel = np.array([1, 3, 3, 1]) / 8
    padded = image[0, :, :, 0].astype(float)
    expected = np.array(
        [
            [kernel @ padded[i : i + 4, j : j + 4] @ kernel for j in (1, 3)]
            for i in (1, 3)
        ]
    )
    found = np.asarray(resize(image, (4, 4)))[0, 1:3, 1:3, 0]
    np.testing.assert_allclose(found, expected, atol=0.51)


def test_other_proportions_are_cut_around_the_centre():
    image = np.zeros((2, 4, 8, 3), np.uint8)
    image[:, :, 2:6] = 200
    np.testing.assert_array_equal(resize(image, (2, 2)), np.full((2, 2, 2, 3), 200))
    np.testing.assert_array_equal(
        resize(image[0].transpose(1, 0, 2), (8, 8)), np.full((8, 8, 3), 200)
    )


def test_a_size_that_fits_changes_nothing():
    image = noise(2, 4, 6, 3)
    assert resize(image, (4, 6)) is image


PICTURES = {
    "grey": (Image.fromarray(noise(5, 7)), noise(5, 7)[..., None]),
    "colour": (Image.fromarray(noise(5, 7, 3)), noise(5, 7, 3)),
    "bits": (
        Image.fromarray(noise(5, 7) > 127),
        np.where(noise(5, 7) > 127, 255, 0)[..., None],
    ),
    "16 bits": (
        Image.fromarray((noise(5, 7).astype(np.uint16) << 8) + 99),
        noise(5, 7)[..., None],
    ),
    "palette": (
        Image.fromarray(np.repeat(noise(5, 7, 1), 3, axis=2)).convert(
            "P", palette=Image.Palette.ADAPTIVE
        ),
        np.repeat(noise(5, 7, 1), 3, axis=2),
    ),
    "transparent": (
        Image.merge("RGBA", [Image.new("L", (7, 5), v) for v in (9, 9, 9, 0)]),
        np.full((5, 7, 3), 255),
    ),
    "half transparent grey": (
        Image.merge("LA", [Image.new("L", (7, 5), v) for v in (0, 51)]),
        np.full((5, 7, 3), 204),
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_each_kind_of_picture_is_decoded_and_announced(name, tmp_path):
    picture, expected = PICTURES[name]
    data = encoded(picture)
    image = decode(data)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, expected)
    (tmp_path / "a.png").write_bytes(data)
    assert shape_in_header(tmp_path / "a.png") == image.shape


def test_a_turned_photograph_is_turned_back(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # taken with the camera turned to the right
    pixels = np.zeros((8, 16), np.uint8)
    pixels[:, :8] = 255
    data = encoded(Image.fromarray(pixels), "jpeg", exif=exif)
    image = decode(data)
    assert image.shape == (16, 8, 1)
    assert image[:8].min() > 200 > 50 > image[8:].max()
    (tmp_path / "a.jpg").write_bytes(data)
    assert shape_in_header(tmp_path / "a.jpg") == image.shape


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no picture at all",
        encoded(PICTURES["colour"][0])[:-40],
        encoded(Image.fromarray(noise(64, 64, 3)), "jpeg")[:400],
        encoded(Image.fromarray(np.ones((4, 4), np.float32)), "tiff"),
    ],
    ids=["empty", "text", "png cut off", "jpeg cut off", "floats"],
)
def test_what_is_not_a_whole_picture_is_refused(data):
    with pytest.raises(ValueError, match=r"\w"):
        decode(data)


def test_a_file_that_unpacks_to_gigabytes_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30)
    data = encoded(Image.fromarray(noise(5, 7)))
    with pytest.raises(ValueError, match="exceeds limit"):
        decode(data)
