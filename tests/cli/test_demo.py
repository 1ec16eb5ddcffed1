"""`tfgenai demo`: its files, its comparison, and that nothing of others is touched."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tfgenai.cli.main import cli
from tfgenai.evaluate import FID, KID, Extractor


def invoke(*arguments):
    return CliRunner().invoke(cli, ["demo", *map(str, arguments)])


@pytest.mark.slow
def test_the_whole_road_once_and_again(tmp_path, monkeypatch):
    # Intervals and a good extractor are for people; here they only take time.
    for metric in (FID, KID):
        usual = metric.__init__.__kwdefaults__
        quick = {k: v if k == "subset_size" else 2 for k, v in usual.items()}
        monkeypatch.setattr(metric.__init__, "__kwdefaults__", quick)
    output = tmp_path / "demo"
    names = [str(digit) for digit in range(10)]
    Extractor((8, 8, 1), names).save(output / "extractor")

    result = invoke("--output", output, "--epochs", 1, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report == json.loads((output / "report.json").read_text())
    for name in ("vae_digits", "gan_digits"):
        for protocol in ("grpc", "rest"):
            answer = report["served"][name][protocol]
            assert answer["num_images"] == 40
            assert answer["largest_difference"] <= 1e-5
        assert (output / "served" / name / "1" / "saved_model.pb").is_file()
        assert f'href="{name}/report.html"' in (output / "report.html").read_text()
        assert (output / name / "report.html").is_file()
    with Image.open(output / "samples.png") as picture:
        assert picture.size == (10 * 34 + 2, 12 * 34 + 2)
        assert np.asarray(picture).std() > 10

    again = invoke("--output", output, "--epochs", 1)
    assert again.exit_code == 0, again.output
    assert "Open next" in again.stdout
    assert not (output / "served" / "vae_digits" / "2").exists()


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    result = invoke("--output", tmp_path)
    assert result.exit_code == 2
    assert "thesis.txt" in result.output
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_difference_between_served_and_local_is_an_error(tmp_path, monkeypatch):
    from tfgenai.cli import demo

    class Twin:
        def load_model(self):
            return self

        def generate(self, count, *, seed, labels):
            return np.zeros((count, 8, 8, 1), np.float32)

    class Server:
        address = rest_address = "127.0.0.1:1"

        def __init__(self, folder, **ports):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

    class Client(Server):
        def generate(self, *, seed, labels):
            return {"images": np.full((len(seed), 8, 8, 1), 1e-3, np.float32)}

    monkeypatch.setattr("tfgenai.serving.server.Server", Server)
    monkeypatch.setattr("tfgenai.serving.Client", Client)
    with pytest.raises(demo.click.ClickException, match=r"over grpc differ.*0\.001"):
        demo._serve_and_ask(tmp_path, {"vae_digits": Twin()})
