"""What several verbs share: a default subcommand, and the model in a run folder."""

from pathlib import Path

import click

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
