import base64
import io

import numpy as np
import pytest
from PIL import Image

from tfgenai.evaluate import plots
from tfgenai.evaluate.metrics import ClassHistogram, NearestNeighbours


def _picture(url: str) -> Image.Image:
    head, data = url.split(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def _levels(n: int, size: int = 56) -> np.ndarray:
    images = np.zeros((n, size, size, 1), np.uint8)
    return images + np.arange(n, dtype=np.uint8)[:, None, None, None]


def test_columns_are_classes_while_they_fit() -> None:
    labels = np.array([1, 0, 1, 0, 1, 1])
    grid = np.asarray(_picture(plots.sample_grid(_levels(6), labels, None)))
    assert grid.shape == (2 * 58 + 2, 2 * 58 + 2)
    # Column 0 holds images 1 and 3, column 1 images 0 and 2.
    assert [grid[y, x] for y in (10, 70) for x in (10, 70)] == [1, 0, 3, 2]


@pytest.mark.parametrize(("n", "columns"), [(9, 3), (120, 10)])
def test_without_labels_the_grid_is_square(n: int, columns: int) -> None:
    grid = _picture(plots.sample_grid(_levels(n, 8), None, None))
    rows = 3 if n == 9 else 10
    assert grid.size == (columns * 58 + 2, rows * 58 + 2)


def test_odd_channels_are_drawn_by_the_first() -> None:
    images = np.zeros((4, 56, 56, 2), np.uint8)
    images[..., 0] = 9
    assert _picture(plots.sample_grid(images, None, None)).getpixel((5, 5)) == 9


def test_histogram_draws_both_colours() -> None:
    value = ClassHistogram().result(
        2,
        n=4,
        seed=0,
        interval=None,
        floor=None,
        extractor_hash=None,
        method="",
        details={"histogram": [3, 1], "test_histogram": [2, 2]},
    )
    picture = _picture(plots.class_histogram(value, ["a", "b"])).convert("RGB")
    colours = {colour for _, colour in picture.getcolors(1 << 20)}
    assert {(0x25, 0x63, 0xEB), (0xCB, 0xD5, 0xE1)} <= colours


def test_panel_has_samples_above_their_neighbours() -> None:
    value = NearestNeighbours().result(
        0,
        n=3,
        seed=0,
        interval=None,
        floor=None,
        extractor_hash=None,
        method="",
        artifacts={
            "samples": np.full((3, 56, 56, 1), 50, np.uint8),
            "neighbours": np.stack([_levels(3)] * 2, axis=1),
        },
    )
    panel = np.asarray(_picture(plots.neighbour_panel(value)))[..., 0]
    assert panel.shape == (60 + 12 + 2 + 2 * 58, 2 + 3 * 58)
    assert panel[30, [10, 70, 130]].tolist() == [50] * 3
    assert panel[100, [10, 70, 130]].tolist() == [0, 1, 2]
    assert panel[160, [10, 70, 130]].tolist() == [0, 1, 2]
