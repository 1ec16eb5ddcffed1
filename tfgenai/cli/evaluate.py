"""`tfgenai evaluate`: a model or a run against real images, and extractors for it."""

import json
from pathlib import Path
from typing import Any

import click

from tfgenai.cli.shared import (
    DefaultCommand,
    model_file,
    parse_settings,
    sampling_options,
)

_DEFAULT = "samples"


# \b keeps click from joining the lines that follow it.
_HELP = """Measure how close generated images come to real ones.

\b
  tfgenai evaluate fit-extractor mnist       once for each data set
  tfgenai evaluate runs/gan --data mnist     then for each model

MODEL is a .keras file or a run folder; its options: `evaluate samples --help`.
"""


@click.group(
    cls=DefaultCommand,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
    options_metavar="",
    subcommand_metavar="MODEL --data DATA [OPTIONS] | fit-extractor DATA [OPTIONS]",
)
def command() -> None:
    """The verb; see `_HELP`."""


def _split_options(function: Any) -> Any:
    for side in ("test", "train"):
        function = click.option(
            f"--{side}-split",
            default=side,
            show_default=True,
            help=f"Split, or slice of one such as train[90%:], to {side} on.",
        )(function)
    return function


@command.command(_DEFAULT)
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option("--data", required=True, help="Data set or folder with the real images.")
@click.option(
    "--features",
    help="Extractor: a name or a folder.  [default: DATA_classifier]",
)
@click.option(
    "--metrics",
    help="Names, separated by commas: fid, kid, inception_score, class_histogram, "
    "label_accuracy, nearest.  [default: all that can be measured]",
)
@click.option(
    "--num-samples",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="Images to generate.",
)
@_split_options
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of everything that is drawn.",
)
@sampling_options
@click.option(
    "--batch-size", type=click.IntRange(min=1), help="Images generated at a time."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="Report to write: .html (with the .json beside it) or .json.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def samples(
    model: Path,
    data: str,
    features: str | None,
    metrics: str | None,
    num_samples: int,
    train_split: str,
    test_split: str,
    seed: int,
    sampler: str | None,
    settings: tuple[str, ...],
    batch_size: int | None,
    output: Path,
    as_json: bool,
) -> None:
    """Generate images and measure them; `samples` may be left out.

    MODEL is a .keras file, or a run folder, of which best.keras, last.keras or
    model.keras is taken.
    """
    if output.suffix.lower() not in (".html", ".htm", ".json"):
        raise click.BadParameter(
            f"{str(output)!r} must end in .html or .json.", param_hint="--output"
        )
    conditions = parse_settings(sampler, settings)
    path = model_file(model)
    from tfgenai.core.storage import require_writable_folder
    from tfgenai.evaluate import evaluate_samples
    from tfgenai.families import load_model

    require_writable_folder(output.parent)
    report = evaluate_samples(
        load_model(path, compile=False),
        data,
        num_samples=num_samples,
        seed=seed,
        metrics=[name.strip() for name in metrics.split(",")] if metrics else None,
        features=features,
        splits=(train_split, test_split),
        batch_size=batch_size,
        verbose=True,
        **conditions,
    )
    written = [report.save(output)]
    if output.suffix.lower() != ".json":
        written.append(report.save(output.with_suffix(".json")))
    if as_json:
        files = [str(file) for file in written]
        click.echo(json.dumps({**report.to_json(), "files": files}))
        return
    click.echo(str(report))
    for file in written:
        click.echo(f"Wrote {file}")


@command.command("fit-extractor")
@click.argument("data")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write.  [default: DATA_classifier in the cache]",
)
@_split_options
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Passes over the training images.  [default: 5, more for small sets]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of everything that is drawn.",
)
@click.option("--overwrite", is_flag=True, help="Replace an extractor that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def fit_extractor(
    data: str,
    output: Path | None,
    train_split: str,
    test_split: str,
    epochs: int | None,
    seed: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Train the classifier whose features the metrics use.

    DATA is a data set's name or a folder of images with one folder for each class; the
    test split is used once, to measure the accuracy.
    """
    from tfgenai.evaluate.features import fit_extractor as fit
    from tfgenai.evaluate.features.lookup import default_name, extractor_home

    folder = output or extractor_home() / default_name(data)
    extractor = fit(
        data,
        output=folder,
        splits=(train_split, test_split),
        epochs=epochs,
        seed=seed,
        overwrite=overwrite,
        verbose=True,
    )
    result: dict[str, Any] = {
        "path": str(folder),
        "sha256": extractor.sha256,
        **extractor.provenance,
    }
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo(
        f"Right on {result['test_accuracy']:.2%} of {result['num_test']} test images "
        f"after {result['epochs']} epochs ({result['seconds']:.0f} s)."
    )
    click.echo(f"SHA-256 {extractor.sha256}")
    click.echo(f"Wrote {folder}")
