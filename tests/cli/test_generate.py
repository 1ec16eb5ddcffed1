"""`tfgenai generate`: the samples of `model.generate`, as a picture or an array."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import tfgenai as tg
from tfgenai.cli.main import cli
from tfgenai.evaluate.grid import image_grid


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    gan = tg.GAN((8, 8, 1), 4, network="mlp", num_classes=3, seed=1)
    gan.save(folder / "last.keras")
    return folder


@pytest.fixture(scope="module")
def model(run_folder):
    return tg.load_model(run_folder / "last.keras")


def invoke(*arguments):
    return CliRunner().invoke(cli, ["generate", *map(str, arguments)])


def test_arrays_are_those_of_generate(run_folder, model, tmp_path):
    output = tmp_path / "new" / "samples.npy"
    result = invoke(
        run_folder,
        *("--num", 5, "--labels", "2,0", "--seed", 7, "--set", "temperature=0.5"),
        *("--batch-size", 5, "--output", output, "--json"),
    )
    assert result.exit_code == 0, result.output
    expected = model.generate(5, seed=7, labels=[2, 0, 2, 0, 2], temperature=0.5)
    np.testing.assert_array_equal(np.load(output, allow_pickle=False), expected)
    assert json.loads(result.stdout) == {
        "output": str(output),
        "model": str(run_folder / "last.keras"),
        "shape": [5, 8, 8, 1],
        "seed": 7,
        "labels": [2, 0, 2, 0, 2],
    }


def test_pictures_have_a_column_for_each_label(run_folder, model, tmp_path):
    output = tmp_path / "samples.png"
    result = invoke(run_folder / "last.keras", "--num", 6, "--output", output)
    assert result.exit_code == 0, result.output
    assert str(output) in result.stdout
    images = model.generate(6, seed=0, labels=[0, 1, 2, 0, 1, 2])
    with Image.open(output) as picture:
        expected = np.asarray(image_grid(images, 3, scale=4))
        np.testing.assert_array_equal(np.asarray(picture), expected)


def test_the_best_model_comes_before_the_last(run_folder, tmp_path):
    best = tg.VAE((8, 8, 1), 2, hidden_units=[4])
    (tmp_path / "last.keras").write_bytes((run_folder / "last.keras").read_bytes())
    best.save(tmp_path / "best.keras")
    output = tmp_path / "s.npy"
    result = invoke(tmp_path, "--num", 2, "--output", output)
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(np.load(output), best.generate(2, seed=0))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--output", "samples.txt"], 2, "makes no texts"),
        (["--output", "samples.bin"], 2, "samples.bin"),
        (["--labels", "a"], 2, "--labels"),
        (["--labels", "7"], 1, "labels=7"),
        (["--set", "temperatur=1"], 1, "Did you mean 'temperature'?"),
        (["--set", "temperature=big"], 2, "NAME=NUMBER"),
        (["--set", "temperature"], 2, "NAME=NUMBER"),
        (["--num", "0"], 2, "--num"),
    ],
)
def test_mistakes_have_an_exit_code_and_write_nothing(
    run_folder, tmp_path, monkeypatch, arguments, code, words
):
    monkeypatch.chdir(tmp_path)
    result = invoke(run_folder, *arguments)
    assert result.exit_code == code
    assert words in result.output
    assert not list(tmp_path.iterdir())


def test_folders_and_files_without_a_model_are_refused(tmp_path):
    result = invoke(tmp_path)
    assert result.exit_code == 2
    assert "best.keras" in result.output
    (tmp_path / "last.keras").write_bytes(b"PK torn")
    result = invoke(tmp_path, "--output", tmp_path / "s.png")
    assert result.exit_code == 1
    assert "complete .keras file" in result.output
    assert invoke(tmp_path / "gone").exit_code == 2


def test_a_diffusion_model_takes_a_sampler_and_its_knobs(tmp_path):
    options = {"hidden_dim": 8, "num_blocks": 1}
    made = tg.DiffusionModel((4, 4, 1), network="mlp", network_options=options)
    made.save(tmp_path / "last.keras")
    output = tmp_path / "s.npy"
    result = invoke(
        tmp_path,
        *("--num", 2, "--sampler", "ddim", "--set", "num_steps=3"),
        *("--output", output),
    )
    assert result.exit_code == 0, result.output
    expected = made.generate(2, seed=0, sampler="ddim", num_steps=3)
    np.testing.assert_array_equal(np.load(output), expected)
    result = invoke(tmp_path, "--sampler", "ddmi", "--output", output)
    assert result.exit_code == 1
    assert "'ddim'" in result.output


def test_other_families_have_no_sampler(run_folder, tmp_path):
    result = invoke(run_folder, "--sampler", "ddim", "--output", tmp_path / "s.npy")
    assert result.exit_code == 1
    assert "sampler='ddim'" in result.output


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    file = tmp_path_factory.mktemp("texts") / "last.keras"
    tokenizer = tg.data.tokenizers.ByteTokenizer()
    gpt = tg.GPT.from_size("gpt_nano", tokenizer=tokenizer, num_layers=1)
    gpt.save(file)
    return file, gpt


def test_texts_are_those_of_generate(language_model, tmp_path):
    file, gpt = language_model
    output = tmp_path / "texts.txt"
    asked = ("--prompt", "a", "--prompt", "é", "--num", 2, "--seed", 5)
    knobs = ("--set", "max_new_tokens=6", "--set", "temperature=0.5")
    expected = gpt.generate(
        ["a", "a", "é", "é"], seed=5, max_new_tokens=6, temperature=0.5
    )
    result = invoke(file, *asked, *knobs, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "model": str(file),
        "seed": 5,
        "texts": expected,
    }
    result = invoke(file, *asked, *knobs, "--output", output)
    assert result.exit_code == 0, result.output
    assert "4 texts" in result.stdout
    assert output.read_text(encoding="utf-8") == "\n---\n".join(expected) + "\n"
    result = invoke(file, "--num", 1, "--set", "max_new_tokens=6")
    assert result.stdout == gpt.generate(1, seed=0, max_new_tokens=6)[0] + "\n"


def test_texts_and_pictures_are_not_mixed_up(language_model, run_folder, tmp_path):
    file, _ = language_model
    for arguments in (("--labels", "1"), ("--output", tmp_path / "a.png")):
        result = invoke(file, *arguments)
        assert result.exit_code == 2
        assert "language model" in result.output
    result = invoke(run_folder, "--prompt", "a")
    assert result.exit_code == 2
    assert "makes no texts" in result.output
    assert not list(tmp_path.iterdir())


def test_the_spelling_of_the_suffix_does_not_matter(run_folder, model, tmp_path):
    output = tmp_path / "samples.NPY"
    result = invoke(run_folder, "--num", 2, "--labels", 1, "--output", output)
    assert result.exit_code == 0, result.output
    expected = model.generate(2, seed=0, labels=[1, 1])
    np.testing.assert_allclose(np.load(output), expected, atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["samples.NPY"]


def test_what_is_no_picture_goes_to_an_array(tmp_path):
    model = tg.DiffusionModel(data_shape=(2,))
    model.save(tmp_path / "points.keras")
    result = invoke(tmp_path / "points.keras", "--output", tmp_path / "samples.png")
    assert result.exit_code == 2
    assert "makes no pictures. Give --output samples.npy" in result.output
