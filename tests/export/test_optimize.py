"""Variants of an export: all of them measured, the same by the same inputs."""

import numpy as np
import pytest

import tfgenai as tg
from tfgenai.core import random
from tfgenai.export.optimize import (
    AS_IT_IS,
    CONSTANTS,
    INT8,
    VariantReport,
    _difference,
    _drift,
    compare_variants,
)


@pytest.fixture(scope="module")
def report():
    model = tg.DiffusionModel(
        image_shape=(4, 4, 1), network="mlp", num_timesteps=20, seed=1
    )
    # New networks answer with zeros, whatever their kernels are.
    for number, weight in enumerate(model.trainable_variables):
        draws = random.numpy_generator(1, number).normal(0, 0.05, weight.shape)
        weight.assign_add(draws.astype("float32"))
    return compare_variants(
        model,
        serving_options={"num_steps": 10, "step_buckets": (8,)},
        batch_sizes=(2,),
        repeats=1,
    )


def test_every_way_is_measured(report):
    names = [each.name for each in report.variants]
    assert names == [
        AS_IT_IS,
        CONSTANTS,
        INT8,
        "constants, 5 steps",
        "constants, 2 steps",
    ]
    assert all(each.milliseconds[2] > 0 for each in report.variants)
    assert report.one_thread_ratio > 0


def test_constants_change_nothing_and_rounding_little(report):
    whole, constants, rounded, *fewer = report.variants
    assert whole.difference == whole.drift == 0
    assert constants.difference < 1e-5
    assert 1e-5 < rounded.difference < min(each.difference for each in fewer)
    assert rounded.bytes < constants.bytes


def test_the_report_is_a_table_and_json(report):
    lines = str(report).splitlines()
    assert lines[0].startswith("| export ")
    assert len({len(line) for line in lines[: len(report.variants) + 2]}) == 1
    assert report.to_json()["variants"][0]["name"] == AS_IT_IS
    assert report.to_json()["advice"] in str(report)


def test_the_advice_follows_from_the_ratio(report):
    one, all_of_them = (VariantReport(report.variants, r).advice for r in (1.0, 1.9))
    assert "--tensorflow_session_parallelism=1" in one
    assert "leave" in all_of_them


def test_differences_by_hand():
    one = {"images": np.zeros((2, 2), np.float32), "count": np.array([1, 2])}
    other = {
        "images": np.array([[3, 0], [0, 4]], np.float32),
        "count": np.array([0, 2]),
    }
    assert _difference(one, other) == pytest.approx(2.5)
    assert _difference({"count": one["count"]}, {"count": other["count"]}) == 0.5
    other["images"][0, 0] = np.nan
    assert np.isnan(_difference(one, other))
    texts = [{"texts": np.array(t, object)} for t in ([b"a", b"b"], [b"a", b"c"])]
    assert _difference(*texts) == 0.5
    apart = [{"images": np.full((64, 4), v, np.float32)} for v in (0.0, 1.0)]
    assert _drift(*apart) == 1.0
    assert _drift({"error": np.array([b""], object)}, {}) is None


@pytest.mark.parametrize("bad", [{"batch_sizes": ()}, {"repeats": 0}])
def test_nothing_to_measure_is_refused(bad):
    with pytest.raises(ValueError, match="At least one batch size and one repeat"):
        compare_variants(None, **bad)
