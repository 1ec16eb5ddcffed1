import math

import pytest

from tfgenai.layers.adapters import AdapterOptions


def test_scales_are_the_papers():
    assert AdapterOptions("a", rank=16).scale == 1.0
    assert AdapterOptions("a", rank=16, alpha=4).scale == 0.25
    rs = AdapterOptions("a", rank=9, alpha=2, use_rslora=True)
    assert math.isclose(rs.scale, 2 / 3)


def test_they_survive_a_file():
    options = AdapterOptions("a-b_1", rank=3, alpha=0.5, use_dora=True)
    assert AdapterOptions.from_dict(options.to_dict()) == options


@pytest.mark.parametrize(
    "wrong",
    [
        {"rank": 0},
        {"rank": 2.0},
        {"rank": True},
        {"alpha": 0.0},
        {"alpha": float("nan")},
        {"alpha": "8"},
        {"name": ""},
        {"name": "a/b"},
        {"name": "1a"},
        {"name": 3},
    ],
)
def test_what_makes_no_sense_is_named(wrong):
    (key, _), values = *wrong.items(), {"name": "a", **wrong}
    with pytest.raises(ValueError, match=f"Received: {key}="):
        AdapterOptions.from_dict(values)
