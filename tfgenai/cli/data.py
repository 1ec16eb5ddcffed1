"""`tfgenai data`: import original files of a data set, and look at what it holds."""

import json
from pathlib import Path

import click

from tfgenai.cli import data_label, data_prepare

_DATA_DIR = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of prepared TFDS sets.  [default: TFDS_DATA_DIR or "
    "~/tensorflow_datasets]",
)
_JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Import, look at and prepare data."""


@command.command("import")
@click.argument("name")
@click.option(
    "--from",
    "folder",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder that holds the original files under their own names.",
)
@click.option(
    "--repack",
    is_flag=True,
    help="Of spoken_digit: take recordings.tar.gz, which is not the archive that TFDS "
    "registers, and say so in the data card.",
)
@_DATA_DIR
@_JSON
def import_(
    name: str, folder: Path, repack: bool, data_dir: Path | None, as_json: bool
) -> None:
    """Prepare the TFDS set NAME from its original files, without a network.

    The files are checked against the checksums that TFDS registers and copied to where
    it would have downloaded them.
    """
    from tfgenai.data.offline import import_files
    from tfgenai.data.spoken_digit import repacked
    from tfgenai.data.tfds_builders import default_data_dir

    counts = import_files(name, folder, data_dir=data_dir, repack=repack)
    where = str(data_dir or default_data_dir())
    note = repacked(name, data_dir)
    if as_json:
        result = {"name": name, "data_dir": where, "splits": counts}
        click.echo(json.dumps(result | ({"repacked": note} if note else {})))
        return
    if note:
        click.echo(
            f"Not TFDS's archive: {note['num_files']:,} recordings of "
            f"{note['archive']} (sha256 {note['archive_sha256']}), repacked (sha256 "
            f"{note['repacked_sha256']})"
        )
    for split, count in counts.items():
        click.echo(f"{split}: {count:,} examples")
    click.echo(f"Prepared {name} in {where}")


@command.command()
@click.argument("name_or_path")
@click.option(
    "--image-size",
    type=click.IntRange(min=1),
    nargs=2,
    metavar="HEIGHT WIDTH",
    help="Size to bring the images to, in pixels, if they differ.",
)
@click.option(
    "--sample-rate",
    type=click.IntRange(min=1),
    metavar="HZ",
    help="Rate to bring sounds to, if they differ.",
)
@click.option(
    "--channels",
    type=click.IntRange(min=1),
    help="Channels to bring sounds to, if they differ.",
)
@_DATA_DIR
@_JSON
def show(
    name_or_path: str,
    image_size: tuple[int, int] | None,
    sample_rate: int | None,
    channels: int | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Print the card of images, text or sound: counts, labels, hashes.

    NAME_OR_PATH is `digits`, `pydoc_topics`, `plucked_strings`, the name of a TFDS set,
    a folder, or a .txt file.
    """
    from tfgenai.data.arrays import describe

    card = describe(
        name_or_path,
        image_size=image_size,
        sample_rate=sample_rate,
        channels=channels,
        data_dir=data_dir,
    )
    click.echo(json.dumps(card.to_json()) if as_json else str(card))


for _verb in ("prepare", "report", "diff", "undo"):
    command.add_command(getattr(data_prepare, _verb))
command.add_command(data_label.label)
