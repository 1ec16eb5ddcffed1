"""`tfgenai data label`: people label images, text or sound in their browser."""

import json
from pathlib import Path

import click


@click.command()
@click.argument("source")
@click.option(
    "--classes", help="Names, with commas between.  [default: those of the folders]"
)
@click.option(
    "--store",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("labels.sqlite"),
    show_default=True,
    help="File that labels are kept in; one that exists is gone on with.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 for any.")
@click.option(
    "--suggest/--no-suggest",
    default=False,
    help="Mark the label that the data have already.",
)
@click.option(
    "--disagreements-first",
    is_flag=True,
    help="Show what others disagree about before the rest.",
)
@click.option(
    "--export",
    "export_to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a table of the labels given so far, and serve nothing.",
)
@click.option(
    "--min-votes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Labels that an item needs to be exported.",
)
def label(
    source: str,
    classes: str | None,
    store: Path,
    port: int,
    suggest: bool,
    disagreements_first: bool,
    export_to: Path | None,
    min_votes: int,
) -> None:
    """Label SOURCE, a folder, file or set, on a page that only this machine can open.

    Each label is on the disk before the next item is shown. Stop with Ctrl-C and go on
    with the same command. The table that --export writes is what a recipe's
    `source.labels` takes.
    """
    from tfgenai.data.label import Items, LabelPage, LabelStore, serve
    from tfgenai.data.raw import open_raw

    items = Items(open_raw(source))
    given = {name for name in items.given.values() if name is not None}
    names = [one.strip() for one in classes.split(",")] if classes else sorted(given)
    if not names:
        raise click.UsageError("The data have no classes yet: give --classes.")
    suggestions = [
        given_label if given_label in names else None
        for given_label in items.given.values()
    ]
    with LabelStore(store, items.ids(), names, suggestions=suggestions) as opened:
        if export_to is not None:
            count = opened.export(export_to, min_votes=min_votes)
            found = opened.agreement()
            click.echo(f"Wrote {count} labels to {export_to}")
            if found.num_items:
                click.echo(
                    f"Agreement on {found.num_items} items: {found.share:.1%}, kappa "
                    f"{json.dumps(round(found.kappa, 3))}"
                )
            return
        page = LabelPage(
            items,
            opened,
            show_suggestions=suggest,
            disagreements_first=disagreements_first,
        )
        serve(page, port=port, announce=lambda address: click.echo(f"Open {address}"))
        click.echo(f"{opened.count()} of {len(opened)} items are labelled.")
