"""`tfgenai`: finds the verb, and turns typed errors into one line and an exit code."""

import importlib
import os
import sys
from typing import Any

import click

import tfgenai

_VERBS = {
    "data": "Import, look at and prepare data.",
    "demo": "The whole road on embedded data, in minutes.",
    "evaluate": "Measure a model against data.",
    "export": "Write a SavedModel for TensorFlow Serving, or verify one.",
    "finetune": "Fine-tune a trained model: adapter, classifier, feedback.",
    "generate": "Draw samples from a trained model.",
    "serve": "Serve exports over gRPC and REST as TensorFlow Serving does.",
    "train": "Train a model from a recipe.",
    "tune": "Search for a recipe's best hyperparameters.",
}


class LazyGroup(click.Group):
    """A group whose verbs are imported when they are used, not to list them."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The verbs' names."""
        return sorted(_VERBS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Imports one verb."""
        if name not in _VERBS:
            return None
        module = importlib.import_module(f"tfgenai.cli.{name}")
        command: click.Command = module.command
        command.name = name
        return command

    def format_commands(
        self, context: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Lists the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_VERBS.items()))

    def invoke(self, context: click.Context) -> Any:
        """Runs the verb; a typed error becomes one line and exit code 1."""
        try:
            return super().invoke(context)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            from tfgenai.core.errors import TfgenaiError

            is_users = isinstance(error, (TfgenaiError, ValueError, TypeError))
            if not is_users or os.environ.get("TFGENAI_DEBUG"):
                raise
            raise click.ClickException(str(error)) from error


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(tfgenai.__version__, prog_name="tfgenai")
def cli() -> None:
    """Generative models in TensorFlow: from raw data to a monitored service."""


def main() -> None:
    """Entry point of the console script."""
    # TensorFlow's start-up chatter would drown the output; the user may ask for it.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(cli())


if __name__ == "__main__":
    main()
