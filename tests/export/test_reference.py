"""What an export keeps of its own outputs, for a server to hold later ones against."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from tfgenai.cli.main import cli
from tfgenai.core.errors import DataError
from tfgenai.export.reference import keep_reference
from tfgenai.serving.output_scores import read_reference


@pytest.fixture
def folder(exported, tmp_path):
    """An export of the small generator."""
    shutil.copytree(exported, tmp_path / "tiny" / "1")
    return tmp_path / "tiny"


def test_the_reference_is_the_spread_of_the_models_own_outputs(folder, model):
    means = keep_reference(
        folder,
        signature="generate_advanced",
        num_samples=200,
        inputs={"labels": 1, "scale": 1.0},
    )
    assert sorted(means) == ["images_deviation", "images_mean"]
    images = model.generate(200, seed=0, labels=1, scale=1.0)
    found = np.asarray(images).mean(axis=(1, 2, 3))
    assert means["images_mean"] == pytest.approx(found.mean(), abs=0.1)
    histogram = read_reference(folder / "1")["images_mean"]
    assert histogram.distance(histogram.bins(found)) < 0.25
    others = np.asarray(model.generate(200, seed=0, labels=0, scale=4.0))
    assert histogram.distance(histogram.bins(others.mean(axis=(1, 2, 3)))) > 0.4


def test_inputs_that_are_not_given_are_spread_over_their_range(folder):
    keep_reference(folder, num_samples=40)
    assert set(read_reference(folder / "1")) == {"images_deviation", "images_mean"}


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"signature": "x"}, DataError, "One of the signatures"),
        ({"inputs": {"x": 1}}, DataError, "Inputs among"),
        ({"num_samples": 0}, ValueError, "num_samples=0"),
    ],
)
def test_what_makes_no_sense_is_refused(folder, arguments, error, words):
    with pytest.raises(error, match=words):
        keep_reference(folder, **arguments)
    assert read_reference(folder / "1") == {}


def test_the_command(folder):
    result = CliRunner().invoke(
        cli, ["export", "reference", str(folder), "--num-samples", "32", "--json"]
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert set(found) == set(read_reference(folder / "1"))
