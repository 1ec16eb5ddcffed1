"""`tfgenai data prepare`, `report`, `diff`, `undo`: raw data to an audited set."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from tfgenai.cli.shared import INTERRUPTED, key_and_text, values_by_key

_DIFFERENT = 1
_JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON."
)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_OUTPUT = click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder to make."
)
_SHARDS = click.option(
    "--shards",
    "num_shards",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes that share the work; the result is the same for any number.",
)
_REPLACE = click.option(
    "--replace", is_flag=True, help="Let an output that exists give way."
)


@click.command()
@click.argument("recipe", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_OUTPUT
@_SHARDS
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key of the recipe, for example split.seed=1.",
)
@click.option(
    "--runner",
    type=click.Choice(["local", "direct", "flink", "spark", "dataflow"]),
    default="local",
    show_default=True,
    help="Processes of this machine, or a runner of Apache Beam.",
)
@click.option(
    "--runner-option",
    "runner_options",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of Beam, for example project=my-project.",
)
@_REPLACE
@_JSON
def prepare(
    recipe: Path,
    output: Path | None,
    num_shards: int,
    settings: tuple[str, ...],
    runner: str,
    runner_options: tuple[str, ...],
    replace: bool,
    as_json: bool,
) -> None:
    """Clean, split and describe raw data as RECIPE, a .yaml file, says.

    \b
    name: my_photos
    source: {path: photos, labels: folders}
    clean: [unreadable, orientation, near_duplicate_image]
    split: {shares: {train: 0.9, test: 0.1}}

    Writes data, ledger, card and report to prepared/NAME. Raw data are never changed;
    a run that was stopped goes on when the same command is given again.
    """  # noqa: D301 - click's mark for lines that are not rewrapped
    from tfgenai.data.preparation import PrepareRecipe
    from tfgenai.data.preparation.run import prepare as run

    changes = values_by_key(settings)
    loaded = PrepareRecipe.load(recipe, overrides=changes)
    options = dict(key_and_text(one, "--runner-option") for one in runner_options)
    _run(
        lambda: run(
            loaded,
            output,
            folder=recipe.parent,
            num_shards=num_shards,
            runner=runner,
            runner_options=options,
            replace=replace,
            is_quiet=as_json or not sys.stderr.isatty(),
        ),
        as_json,
    )


@click.command()
@click.argument("prepared", type=_FOLDER)
@_OUTPUT
@_SHARDS
@click.option("--rule", "rules", multiple=True, help="A rule that shall not count.")
@click.option("--id", "ids", multiple=True, help="An example that no rule shall touch.")
@_REPLACE
@_JSON
def undo(
    prepared: Path,
    output: Path | None,
    num_shards: int,
    rules: tuple[str, ...],
    ids: tuple[str, ...],
    replace: bool,
    as_json: bool,
) -> None:
    """Take back what rules did in PREPARED: the set is prepared again without it.

    With both --id and --rule, what those rules found about those examples.
    """
    if not rules and not ids:
        raise click.UsageError("Give what to take back: --id, --rule or both.")
    from tfgenai.data.preparation.undo import undo as run

    _run(
        lambda: run(
            prepared,
            output,
            ids=ids,
            rules=rules,
            num_shards=num_shards,
            replace=replace,
        ),
        as_json,
    )


@click.command()
@click.argument("prepared", type=_FOLDER)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The page."
)
def report(prepared: Path, output: Path | None) -> None:
    """Write the report of PREPARED, one HTML page, again."""
    from tfgenai.data.preparation import Prepared
    from tfgenai.data.preparation.report import write_report

    click.echo(f"Wrote {write_report(Prepared(prepared), output)}")


@click.command()
@click.argument("first", type=_FOLDER)
@click.argument("second", type=_FOLDER)
@_JSON
def diff(first: Path, second: Path, as_json: bool) -> None:
    """Say what differs between two prepared sets; exit code 1 if anything does."""
    from tfgenai.data.preparation import Prepared
    from tfgenai.data.preparation.diff import diff as compare

    found = compare(Prepared(first), Prepared(second))
    click.echo(json.dumps(found.to_json()) if as_json else str(found))
    sys.exit(0 if found.is_empty else _DIFFERENT)


def _run(make: Any, as_json: bool) -> None:
    try:
        made = make()
    except KeyboardInterrupt:
        click.echo("\nStopped. The same command goes on from here.", err=True)
        sys.exit(INTERRUPTED)
    card = made.card
    if as_json:
        click.echo(json.dumps({"folder": str(made.path), **card.to_json()}))
        return
    found = card.preparation
    click.echo(
        f"{found['num_raw']:,} examples, {found['num_dropped']:,} dropped, "
        f"{found['num_repaired']:,} repaired"
    )
    for rule in found["rules"]:
        words = [
            f"{rule[what]:,} {what}"
            for what in ("dropped", "repaired", "kept", "excepted")
            if rule[what]
        ]
        click.echo(f"  {rule['rule']}: {', '.join(words) or 'nothing found'}")
    for name, split in card.splits.items():
        click.echo(f"{name}: {split.num_examples:,} examples")
    for notice in found["notices"]:
        click.echo(f"Note: {notice}", err=True)
    click.echo(f"Wrote {made.path}")
    click.echo(f"Look at it:  {made.path / 'report.html'}", err=True)
