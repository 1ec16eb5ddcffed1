"""`tfgenai finetune`: a trained model becomes another: adapter, head, preferences."""

import json
import re
from pathlib import Path
from typing import Any

import click

from tfgenai.cli.shared import values_by_key


@click.command(short_help="Fine-tune a trained model from a recipe or feedback.")
@click.argument("recipe", required=False)
@click.option("--base", help="Run folder or .keras file to begin with.  [base]")
@click.option("--data", help="Data set, or folder or file of data.  [data.name]")
@click.option("--feedback", help="A .jsonl file of preferences.  [feedback.file]")
@click.option("--rank", type=click.IntRange(min=1), help="Of LoRA.  [adapter.rank]")
@click.option("--epochs", type=click.IntRange(min=1), help="Passes.  [epochs]")
@click.option("--export-to", help="Folder of the served model.  [export_to]")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any value of the recipe, such as feedback.beta=0.2; may be repeated.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Run folder.  [default: runs/<name of the recipe>]",
)
@click.option("--show", is_flag=True, help="Print the whole recipe and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(
    recipe: str | None,
    base: str | None,
    data: str | None,
    feedback: str | None,
    rank: int | None,
    epochs: int | None,
    export_to: str | None,
    settings: tuple[str, ...],
    output: Path | None,
    show: bool,
    as_json: bool,
) -> None:
    """Fine-tune what RECIPE describes: the path of a .yaml file, or flags alone.

    \b
    tfgenai finetune --base runs/lm --feedback feedback.jsonl --export-to served/lm
    tfgenai finetune --base runs/lm --data my_texts/ --rank 8
    tfgenai finetune recipe.yaml --set epochs=5

    Feedback is a file of lines such as
    {"prompt": "2+2=", "chosen": "4", "rejected": "5"}.
    """  # noqa: D301 - click's mark for lines that are not rewrapped
    flags = {
        "base": base,
        "data.name": data,
        "feedback.file": feedback,
        "adapter.rank": rank,
        "epochs": epochs,
        "export_to": export_to,
    }
    overrides = {key: value for key, value in flags.items() if value is not None}
    asked = values_by_key(settings)
    if recipe is None and not (base and (data or feedback)):
        raise click.UsageError(
            "Give a RECIPE file, or --base and one of --data and --feedback."
        )
    from tfgenai.core.recipe_values import set_key
    from tfgenai.finetune.recipe import FinetuneRecipe

    overrides |= asked
    if recipe is None:
        values: dict[str, Any] = {}
        for key, value in overrides.items():
            set_key(values, key, value)
        learned = "feedback" if feedback else _word(str(data)) or "finetuned"
        values.setdefault("name", f"{_word(str(base)) or 'base'}_{learned}")
        loaded = FinetuneRecipe.from_dict(values, source="flags")
    else:
        loaded = FinetuneRecipe.load(recipe, overrides=overrides)
    if show:
        click.echo(json.dumps(loaded.to_dict()) if as_json else loaded.to_yaml())
        return

    from tfgenai.finetune.run import finetune, is_finished

    folder = output or Path("runs") / loaded.name
    was_finished = is_finished(folder)
    report = finetune(loaded, output, verbose=not as_json)
    if was_finished:
        click.echo(f"{folder} was finished before; nothing was trained.", err=True)
    if as_json:
        click.echo(json.dumps({**report, "folder": str(folder)}))
        return
    if "text" in report:
        click.echo(report["text"])
    for name in ("before", "after"):
        for figure, value in (report.get(name) or {}).items():
            click.echo(f"{name} {figure}: {value:.4g}")
    if report.get("kl") is not None:
        click.echo(f"kl to the base, by its own answers: {report['kl']:.4g} nats each")
    click.echo(f"Wrote {folder}")
    if report["export"]:
        click.echo(f"Exported {report['export']}")


def _word(path: str) -> str:
    """What a path is called, of letters that the name of a run may have."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", Path(path).stem).strip("._-")
