"""`tfgenai tune`: many short runs of a recipe, and the best values as a recipe."""

import json
import sys
from pathlib import Path

import click

from tfgenai.cli.shared import INTERRUPTED, values_by_key

_SHOWN = 10


@click.command(short_help="Search for a recipe's best hyperparameters.")
@click.argument("recipe")
@click.option(
    "--max-trials", type=click.IntRange(min=1), help="Runs.  [tune.max_trials]"
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any value of the recipe, such as tune.search=bayesian; may be repeated.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Folder.  [default: runs/<name of the recipe>_search]",
)
@click.option("--show", is_flag=True, help="Print the whole recipe and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the trials as JSON.")
def command(
    recipe: str,
    max_trials: int | None,
    settings: tuple[str, ...],
    output: Path | None,
    show: bool,
    as_json: bool,
) -> None:
    """Search as the section `tune` of RECIPE says, the path of a .yaml file.

    \b
    tfgenai tune search.yaml
    tfgenai tune search.yaml --max-trials 50 --set tune.search=bayesian

    A recipe of `tfgenai train` becomes one by a section such as

    \b
    tune:
      search: random            # or bayesian, hyperband
      space:
        model.latent_dim: {kind: int, min: 2, max: 64, sampling: log}
        data.batch_size: {kind: choice, values: [64, 128]}

    A search that was stopped goes on when the same command is given again.
    """  # noqa: D301 - click's mark for lines that are not rewrapped
    overrides = values_by_key(settings)
    from tfgenai.tune.recipe import TuneRecipe

    if max_trials is not None:
        overrides["tune.max_trials"] = max_trials
    loaded = TuneRecipe.load(recipe, overrides=overrides)
    if show:
        click.echo(json.dumps(loaded.to_dict()) if as_json else loaded.to_yaml())
        return

    from tfgenai.tune.run import RECORDS, search

    try:
        found = search(loaded, output, verbose=not as_json)
    except KeyboardInterrupt:
        click.echo("\nStopped. The same command goes on from there.", err=True)
        sys.exit(INTERRUPTED)
    if as_json:
        click.echo((found.folder / RECORDS).read_text(encoding="utf-8"))
        return
    header, *rows = found.table
    cells = [header, *rows[:_SHOWN]]
    widths = [max(len(_cell(row[n])) for row in cells) for n in range(len(header))]
    for row in cells:
        line = "  ".join(_cell(v).rjust(w) for v, w in zip(row, widths, strict=True))
        click.echo(line.rstrip())
    if len(rows) > _SHOWN:
        click.echo(f"... and {len(rows) - _SHOWN} more in trials.csv")
    click.echo(f"Wrote {found.folder}")
    click.echo(f"Train the best:  tfgenai train {found.folder / 'best.yaml'}", err=True)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
