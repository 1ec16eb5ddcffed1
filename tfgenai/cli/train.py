"""`tfgenai train`: a recipe becomes a run folder with a trained model and a report."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from tfgenai.cli.shared import INTERRUPTED, values_by_key


def _recipe_names() -> str:
    folder = Path(__file__).parents[1] / "train" / "recipes"
    return ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))


@click.command(
    epilog=f"Recipes that come with the package: {_recipe_names()}.",
    short_help="Train a model from a recipe.",
)
@click.argument("recipe", required=False)
@click.option("--data", help="Data set, or folder or file of data.  [data.name]")
@click.option("--model", "family", help="Family, such as VAE or GPT.  [model.family]")
@click.option("--epochs", type=click.IntRange(min=1), help="Passes.  [fit.epochs]")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    help="Examples a step.  [data.batch_size]",
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of everything.  [seed]")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any value of the recipe, such as data.batch_size=64; may be repeated.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Run folder.  [default: runs/<name of the recipe>]",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run in the folder, which must be there; it may be given more "
    "epochs. Without the flag, a run of the same recipe is gone on with, too.",
)
@click.option("--show", is_flag=True, help="Print the whole recipe and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(
    recipe: str | None,
    data: str | None,
    family: str | None,
    epochs: int | None,
    batch_size: int | None,
    seed: int | None,
    settings: tuple[str, ...],
    output: Path | None,
    resume: bool,
    show: bool,
    as_json: bool,
) -> None:
    """Train what RECIPE describes: a name, or the path of a .yaml file.

    \b
    tfgenai train vae_digits
    tfgenai train vae_mnist --set fit.epochs=20 --output runs/short
    tfgenai train --data my_images/ --model VAE --set model.latent_dim=32

    The run folder holds models, logs, pictures, checkpoints and a report. A run that
    was stopped goes on when the same command is given again.
    """  # noqa: D301 - click's mark for lines that are not rewrapped
    flags = {
        "data.name": data,
        "model.family": family,
        "fit.epochs": epochs,
        "data.batch_size": batch_size,
        "seed": seed,
    }
    overrides = {key: value for key, value in flags.items() if value is not None}
    asked = values_by_key(settings)
    if recipe is None and not (data and family):
        raise click.UsageError(
            f"Give a RECIPE ({_recipe_names()}, or a file), or both --data and --model."
        )
    from tfgenai.core.recipe_values import set_key
    from tfgenai.train.recipe import Recipe

    overrides |= asked
    if recipe is None:
        values: dict[str, Any] = {}
        for key, value in overrides.items():
            set_key(values, key, value)
        stem = Path(str(data)).name or "data"
        values.setdefault("name", f"{family}_{stem}".lower().replace(":", "_"))
        loaded = Recipe.from_dict(values, source="flags")
    else:
        loaded = Recipe.load(recipe, overrides=overrides)
    if show:
        click.echo(json.dumps(loaded.to_dict()) if as_json else loaded.to_yaml())
        return

    from tfgenai.train import run

    try:
        finished = run(
            loaded,
            output,
            resume=resume,
            command=shlex.join(["tfgenai", *sys.argv[1:]]),
        )
    except KeyboardInterrupt:
        click.echo(
            "\nStopped. The same command goes on from the last checkpoint.", err=True
        )
        sys.exit(INTERRUPTED)
    if as_json:
        report = {**finished.report, "folder": str(finished.folder)}
        click.echo(json.dumps(report))
        return
    for name, figure in finished.report["metrics"].items():
        click.echo(f"{name}: {_words(figure)}")
    click.echo(f"Wrote {finished.folder}")
    click.echo(f"Look at it:  tfgenai generate {finished.folder}", err=True)
    click.echo(
        f"Export it:   tfgenai export {finished.folder} --to served/{loaded.name}",
        err=True,
    )


def _words(figure: dict[str, Any]) -> str:
    text = f"{figure['value']:.4g}"
    if figure.get("interval"):
        low, high = figure["interval"]
        text += f" [{low:.4g}, {high:.4g}]"
    return f"{text} (n={figure['n']:,}, seed={figure['seed']})"
