"""Arrays travel to the fresh process and back, bit for bit."""

import numpy as np
import pytest

from tfgenai.export.fresh_process import decode, encode


@pytest.mark.parametrize(
    "array",
    [
        np.array([[1.5, np.nan], [-np.inf, 2.0**-140]], np.float32),
        np.array([-(2**63), 2**63 - 1], np.int64),
        np.array([True, False]),
        np.zeros((0, 3), np.float32),
        np.array([b"", b"a\0b\0", b"\xff\xfe"], object),
        np.array([["a"], ["\u00e9"]], object),
    ],
)
def test_round_trip(array):
    back = decode(encode(array))
    assert back.shape == array.shape
    if array.dtype == object:
        expected = [x.encode() if isinstance(x, str) else x for x in array.ravel()]
        assert back.ravel().tolist() == expected
    else:
        assert back.dtype == array.dtype
        assert back.tobytes() == array.tobytes()
