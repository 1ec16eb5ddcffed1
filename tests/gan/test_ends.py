import numpy as np
import pytest

from tfgenai.gan.ends import Initializers, check_image_shape


@pytest.mark.parametrize(
    "shape", [None, 28, (28, 28), (28, 28, 0), (28, 28, 1.0), (28, 28, True), "abc"]
)
def test_refuses_what_is_no_image_shape(shape):
    with pytest.raises(ValueError, match="Received: image_shape="):
        check_image_shape(shape)


def test_takes_a_list_as_json_has_it():
    assert check_image_shape([8, 6, 3]) == (8, 6, 3)


def test_initializers_differ_from_each_other_and_repeat_with_the_seed():
    def draws(seed):
        new = Initializers(seed)
        return [np.asarray(f((2, 3))) for f in (new.glorot(), new.glorot(), new.he())]

    first, again, other = draws(1), draws(1), draws(2)
    np.testing.assert_array_equal(first, again)
    assert (first[0] != first[1]).any()
    assert (first[0] != other[0]).any()
