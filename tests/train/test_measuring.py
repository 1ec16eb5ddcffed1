"""What a run measures: the evaluation's own figures, with the extractor of the run."""

import pytest

import tfgenai as tg
from tfgenai.core.errors import CheckpointError, ConfigError
from tfgenai.data import load_arrays
from tfgenai.evaluate import Extractor, evaluate_samples
from tfgenai.evaluate.nll import evaluate_nll
from tfgenai.train import Recipe
from tfgenai.train.measuring import measure, run_features
from tfgenai.train.run_data import RunData, load_run_data


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TFGENAI_HOME", str(tmp_path / "home"))


def recipe(**evaluate):
    return Recipe.from_dict(
        {
            "name": "tiny",
            "seed": 3,
            "data": {"name": "digits", "binarize": "threshold"},
            "model": {"family": "VAE", "latent_dim": 2},
            "evaluate": evaluate,
        }
    )


def extractor(weights_from=0):
    made = Extractor((8, 8, 1), [str(digit) for digit in range(10)])
    if weights_from:
        weights = [w + weights_from for w in made._network.get_weights()]
        made = Extractor((8, 8, 1), made.class_names, weights=weights)
    return made


def test_figures_are_those_of_the_evaluation(tmp_path):
    asked = recipe(
        nll={"num_images": 5, "num_samples": 20, "binarize": "threshold"},
        samples={"num_samples": 200, "metrics": ["class_histogram"]},
    )
    data = load_run_data(asked)
    model = tg.VAE((8, 8, 1), 2, hidden_units=[8], seed=1)
    model.compile()
    features = extractor()
    found = measure(asked, model, data, tmp_path, features=features, verbose=False)
    losses = model.evaluate(data.test, verbose=0, return_dict=True)
    assert found["test_loss"]["value"] == losses["loss"]
    assert found["test_loss"]["n"] == 297
    nll = evaluate_nll(
        model, "digits", num_images=5, num_samples=20, binarize="threshold", seed=3
    )
    assert found["nll"]["value"] == nll.value
    # The bound by many samples is tighter than that by one.
    assert found["nll"]["value"] < 64
    report = evaluate_samples(
        model,
        "digits",
        num_samples=200,
        seed=3,
        metrics=["class_histogram"],
        features=features,
    )
    assert found["class_histogram"] == report["class_histogram"].to_json()
    assert "<html" in (tmp_path / "report.html").read_text()


def test_an_exact_likelihood_takes_no_samples(tmp_path):
    asked = recipe(loss=False, nll={"num_images": 5, "binarize": "threshold"})
    model = tg.PixelCNN((8, 8, 1), num_filters=4, num_blocks=1)
    data = load_run_data(asked)
    found = measure(asked, model, data, tmp_path, features=None, verbose=False)
    nll = evaluate_nll(model, "digits", num_images=5, binarize="threshold")
    assert found["nll"]["value"] == nll.value
    assert "num_samples" not in found["nll"]["details"]


def test_nothing_is_measured_that_is_not_asked_for(tmp_path):
    asked = recipe(loss=False)
    data = load_run_data(asked)
    model = tg.VAE((8, 8, 1), 2, hidden_units=[8])
    found = measure(asked, model, data, tmp_path, features=None, verbose=False)
    assert found == {}
    assert not list(tmp_path.glob("*.html"))


def test_the_extractor_of_the_folder_comes_before_the_one_of_the_data_set(tmp_path):
    asked = recipe()
    data = load_run_data(asked)
    own, named = extractor(0.1), extractor(0.2)
    named.save(tmp_path / "home" / "extractors" / "digits_classifier")
    found = run_features(asked, data, tmp_path / "run", verbose=False)
    assert found.sha256 == named.sha256
    own.save(tmp_path / "run" / "extractor")
    found = run_features(asked, data, tmp_path / "run", verbose=False)
    assert found.sha256 == own.sha256
    asked = recipe(features="digits_classifier")
    found = run_features(asked, data, tmp_path / "run", verbose=False)
    assert found.sha256 == named.sha256


def test_an_extractor_is_trained_where_there_is_none(tmp_path, monkeypatch):
    made = []

    def fit_extractor(data, *, output, verbose):
        train, test = data
        made.append((len(train), len(test), output, verbose))
        return extractor()

    monkeypatch.setattr("tfgenai.train.measuring.fit_extractor", fit_extractor)
    asked = recipe()
    run_features(asked, load_run_data(asked), tmp_path, verbose=False)
    assert made == [(1500, 297, tmp_path / "extractor", False)]


def test_extractors_that_cannot_be_had_are_refused(tmp_path):
    asked = recipe(features="nonsense")
    data = load_run_data(asked)
    with pytest.raises(CheckpointError, match="'nonsense'"):
        run_features(asked, data, tmp_path, verbose=False)
    card = load_arrays("digits", split="test").card
    unlabelled = RunData(
        data.train,
        None,
        data.test,
        type(card).from_json({**card.to_json(), "class_names": None}),
    )
    with pytest.raises(ConfigError, match="without labels"):
        run_features(recipe(), unlabelled, tmp_path, verbose=False)
