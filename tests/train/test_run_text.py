"""Text in a run: what the data decide of the model, and what is measured."""

import csv

import pytest

from tfgenai.core.errors import ConfigError, DataError
from tfgenai.data import CharTokenizer
from tfgenai.gpt import GPT
from tfgenai.train import Recipe, run
from tfgenai.train.building import check_recipe, fill_in, make_model
from tfgenai.train.run_data import load_run_data

TEXT = "to be or not to be, that is the question.\n" * 30
SIZES = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8}


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")

    def make(data=None, model=None, **sections):
        return Recipe.from_dict(
            {
                "name": "tiny",
                "data": {
                    "name": str(tmp_path / "text.txt"),
                    "split": "train[:90%]",
                    "validation_split": "train[90%:]",
                    "tokenizer": "char",
                    "sequence_length": 16,
                    "batch_size": 8,
                }
                | (data or {}),
                "model": {"family": "GPT", **SIZES} | (model or {}),
                **sections,
            }
        )

    return make


def filled(recipe):
    check_recipe(recipe)
    data = load_run_data(recipe)
    return data, fill_in(recipe, image_shape=None, num_classes=None, text=data.text)


def test_the_text_decides_vocabulary_tokenizer_and_length(recipe):
    data, found = filled(recipe())
    tokenizer = CharTokenizer.train(TEXT)
    assert found.model.arguments["vocabulary_size"] == tokenizer.vocabulary_size
    assert found.model.arguments["max_sequence_length"] == 16
    model = make_model(found, steps_per_epoch=3, tokenizer=data.text.tokenizer)
    assert isinstance(model, GPT)
    assert model.tokenizer == tokenizer
    assert model.vocabulary_size == tokenizer.vocabulary_size
    assert fill_in(found, image_shape=None, num_classes=None, text=data.text) == found


def test_sequences_may_be_shorter_than_the_model_sees(recipe):
    _, found = filled(recipe(model={"max_sequence_length": 64}))
    assert found.model.arguments["max_sequence_length"] == 64


def test_text_without_a_test_split_is_measured_on_all_of_its_validation_split(recipe):
    data = load_run_data(recipe())
    assert data.measured == "validation"
    assert data.test is data.validation
    assert data.validation.num_tokens == len(TEXT) - int(0.9 * len(TEXT))
    assert data.num_classes is None
    assert list(data.card.splits) == ["train[:90%]", "train[90%:]"]
    assert load_run_data(recipe(evaluate={"loss": False})).test is None


def test_text_with_a_test_split_is_measured_on_it(recipe, tmp_path):
    for name in ("train", "test"):
        (tmp_path / "folder" / name).mkdir(parents=True)
        (tmp_path / "folder" / name / "a.txt").write_text(TEXT, encoding="utf-8")
    data = load_run_data(recipe({"name": str(tmp_path / "folder")}))
    assert data.measured == "test"
    assert data.test.num_tokens == len(TEXT)


def test_steps_of_an_epoch_can_be_chosen(recipe):
    assert load_run_data(recipe({"steps_per_epoch": 7})).train.steps_per_epoch == 7


@pytest.mark.parametrize(
    ("data", "model", "sections", "error", "words"),
    [
        (
            {},
            {"max_sequence_length": 8},
            {},
            ConfigError,
            r"data\.sequence_length=16, model\.max_sequence_length=8",
        ),
        ({}, {"vocabulary_size": 7}, {}, ConfigError, r"vocabulary_size=7"),
        ({}, {"tokenizer": "byte"}, {}, ConfigError, r"Set data\.tokenizer"),
        (
            {"tokenizer": None, "sequence_length": None},
            {"tokenizer": "byte"},
            {},
            ConfigError,
            r"Set data\.tokenizer",
        ),
        ({"validation_split": "train[80%:]"}, {}, {}, ConfigError, "share text"),
        ({"validation_split": "test"}, {}, {}, ConfigError, "test data never enter"),
        ({}, {}, {"sample_metrics": {}}, ConfigError, "No sample_metrics"),
        ({}, {}, {"evaluate": {"samples": {}}}, ConfigError, r"No evaluate\.samples"),
        ({"image_size": 8}, {}, {}, DataError, "image_size=8"),
        ({"augment": ["flip"]}, {}, {}, DataError, "augment"),
        ({"tokenizer": "chars"}, {}, {}, ValueError, "Did you mean 'char'"),
    ],
)
def test_what_does_not_fit_is_refused(recipe, data, model, sections, error, words):
    with pytest.raises(error, match=words):
        filled(recipe(data, model, **sections))


def test_families_get_the_data_that_they_are_made_for(recipe):
    images = recipe(model={"family": "VAE"})
    text = load_run_data(images).text
    images = images.model_copy(
        update={"model": images.model.__class__(family="VAE", latent_dim=2)}
    )
    with pytest.raises(ConfigError, match=r"Data of images were expected.*holds text"):
        fill_in(images, image_shape=None, num_classes=None, text=text)
    with pytest.raises(ConfigError, match=r"Data of text were expected.*holds images"):
        fill_in(recipe(), image_shape=(8, 8, 1), num_classes=None)


@pytest.mark.slow
def test_a_run_on_text_leaves_its_figures(recipe, tmp_path):
    made = run(recipe(fit={"epochs": 2}), tmp_path / "run", verbose=False)
    with open(made.folder / "log.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert float(rows[-1]["tokens_per_second"]) > 0
    assert "images_per_second" not in rows[-1]
    report = made.report
    steps = len(TEXT) * 9 // 10 // 16 // 8
    assert report["num_tokens"] in (2 * 16 * 8 * steps, 2 * 16 * 8 * (steps - 1))
    measured = report["metrics"]["validation_loss"]
    assert measured["n"] == len(TEXT) - int(0.9 * len(TEXT))
    assert float(rows[-1]["val_loss"]) == pytest.approx(measured["value"], rel=1e-3)
    model = made.load_model()
    assert model.tokenizer == CharTokenizer.train(TEXT)
