"""What the verbs share: the default subcommand, and the model in a run folder."""

import click
import pytest
from click.testing import CliRunner

from tfgenai.cli.main import cli
from tfgenai.cli.shared import DefaultCommand, model_file


@click.group(cls=DefaultCommand)
def verb():
    pass


@verb.command("first")
@click.argument("word")
def first(word):
    click.echo(f"first {word}")


@verb.command("second")
def second():
    click.echo("second")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["x"], "first x"),
        (["first", "x"], "first x"),
        (["./second"], "first ./second"),
        (["second"], "second"),
    ],
)
def test_the_first_subcommand_may_be_left_out(arguments, expected):
    assert CliRunner().invoke(verb, arguments).output.strip() == expected


def test_the_best_model_of_a_run_folder_is_taken(tmp_path):
    with pytest.raises(click.BadParameter, match=r"best\.keras.*Train a model"):
        model_file(tmp_path)
    for name in ("model.keras", "last.keras", "best.keras"):
        (tmp_path / name).write_bytes(b"")
        assert model_file(tmp_path) == tmp_path / name
    assert model_file(tmp_path / "other.keras") == tmp_path / "other.keras"


@pytest.mark.parametrize(
    "verb_name", ["evaluate", "export", "generate", "serve", "train"]
)
def test_examples_in_the_help_keep_their_lines(verb_name):
    page = CliRunner().invoke(cli, [verb_name, "--help"]).output
    assert "\\b" not in page
    assert "\x08" not in page
    assert f"\n  tfgenai {verb_name}" in page.replace("\n    ", "\n  ")
