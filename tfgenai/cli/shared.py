"""What several verbs share: a default subcommand, and the model in a run folder."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

INTERRUPTED = 130  # what shells report for a program stopped with Ctrl-C

# In a run folder, in the order they are looked for.
MODEL_FILES = ("best.keras", "last.keras", "model.keras")


class DefaultCommand(click.Group):
    """A group in which `VERB X` stands for `VERB DEFAULT X`.

    The default is the first subcommand that is registered.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts the default's name first where no subcommand is named."""
        # A file of a subcommand's name is reached as ./name.
        known = {*self.commands, *ctx.help_option_names}
        if args and args[0] not in known:
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)


def model_file(path: Path) -> Path:
    """The `.keras` file that is meant by a file or a run folder.

    Raises:
        click.BadParameter: if the folder holds no model.
    """
    if not path.is_dir():
        return path
    for name in MODEL_FILES:
        if (path / name).is_file():
            return path / name
    raise click.BadParameter(
        f"A .keras file, or a run folder with one of {', '.join(MODEL_FILES)}, was "
        f"expected. Received: {str(path)!r}. Train a model first.",
        param_hint="MODEL",
    )


def sampling_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds what verbs that draw samples take: `sampler` and `settings`."""
    function = click.option(
        "--set",
        "--condition",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="A knob of the model, such as temperature=0.7, num_steps=20 or "
        "guidance_scale=2; may be repeated.",
    )(function)
    return click.option(
        "--sampler",
        help="Sampler of a diffusion model, such as ddim.  [default: the model's own]",
    )(function)


def parse_settings(sampler: str | None, settings: Sequence[str]) -> dict[str, Any]:
    """What `sampling_options` took, as arguments of `generate`.

    Raises:
        click.BadParameter: if a setting is not of the form NAME=NUMBER.
    """
    values: dict[str, Any] = {} if sampler is None else {"sampler": sampler}
    for setting in settings:
        name, equals, text = setting.partition("=")
        try:
            if not equals:
                raise ValueError
            number = float(text)
        except ValueError:
            raise click.BadParameter(
                f"{setting!r} is not of the form NAME=NUMBER.", param_hint="--set"
            ) from None
        values[name.strip()] = int(number) if number.is_integer() else number
    return values


def key_and_text(setting: str, option: str = "--set") -> tuple[str, str]:
    """The parts of KEY=VALUE.

    Raises:
        click.BadParameter: if it is not of that form.
    """
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        raise click.BadParameter(
            f"{setting!r} is not of the form KEY=VALUE.", param_hint=option
        )
    return key.strip(), text


def values_by_key(settings: Sequence[str]) -> dict[str, Any]:
    """What `--set KEY=VALUE` asks of a recipe, the values read as YAML.

    Raises:
        click.BadParameter: if a setting is not of that form.
        ConfigError: if a value is not YAML.
    """
    pairs = [key_and_text(setting) for setting in settings]
    from tfgenai.core.recipe_values import parse_yaml

    return {key: parse_yaml(text, source=key) for key, text in pairs}
