"""`tfgenai export`: a trained model becomes a served folder, and is proved to work."""

import json
from pathlib import Path
from typing import Any

import click

from tfgenai.cli.shared import DefaultCommand, model_file

_DEFAULT = "model"
_CARD_FILES = ("data_card.json", "card.json")


@click.group(
    cls=DefaultCommand,
    options_metavar="",
    subcommand_metavar="MODEL --to FOLDER [OPTIONS] | verify FOLDER [OPTIONS] | "
    "reference FOLDER [OPTIONS]",
)
def command() -> None:
    """Write a SavedModel for TensorFlow Serving, or verify one.

    \b
    tfgenai export runs/vae --to served/digits        writes served/digits/1
    tfgenai export verify served/digits               loads it as a server does
    tfgenai export reference served/digits            keeps how its outputs are spread

    MODEL is a .keras file or a run folder, of which the best checkpoint is taken.
    `tfgenai export model --help` lists the options.
    """  # noqa: D301 - click's mark for lines that are not rewrapped


@command.command(_DEFAULT)
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the served model; the version folder is made in it.",
)
@click.option(
    "--version",
    type=click.IntRange(min=1),
    help="Number of the version.  [default: the next free one]",
)
@click.option(
    "--signature",
    "signatures",
    multiple=True,
    help="Signature to export, main one first; may be repeated.  [default: all]",
)
@click.option(
    "--warmup-batch-size",
    "warmup_batch_sizes",
    type=click.IntRange(min=1),
    multiple=True,
    default=(1, 8),
    show_default=True,
    help="Batch size that the server allows; may be repeated.",
)
@click.option(
    "--sampler",
    help="Sampler of a diffusion model, such as ddim.  [default: the model's own]",
)
@click.option(
    "--num-steps",
    type=click.IntRange(min=1),
    help="Steps of the sampler where a request does not say.  [default: the sampler's]",
)
@click.option(
    "--max-num-steps",
    type=click.IntRange(min=1),
    help="The most steps that a request may ask a diffusion model for.  [default: 50, "
    "or the sampler's]",
)
@click.option(
    "--step-buckets",
    metavar="K,K,...",
    help="Numbers of steps with a signature, and a server's queue, each; '' for none.  "
    "[default: 10,25]",
)
@click.option(
    "--max-prompt-tokens",
    type=click.IntRange(min=1),
    help="The most tokens of a language model's prompt.  [default: what it sees]",
)
@click.option(
    "--max-new-tokens",
    type=click.IntRange(min=1),
    help="The most tokens that a request may ask a language model for.  [default: 128]",
)
@click.option(
    "--token-buckets",
    metavar="K,K,...",
    help="Numbers of tokens with a signature, and a server's queue, each; '' for "
    "none.  [default: 32,128]",
)
@click.option(
    "--chunk-tokens",
    type=click.IntRange(min=1),
    help="Tokens of a piece of streamed text.  [default: 16]",
)
@click.option(
    "--quantize",
    type=click.Choice(["int8"]),
    help="Round large weights: about a quarter of the size.",
)
@click.option(
    "--optimize",
    is_flag=True,
    help="Make the weights constants of the graph, and measure what else would help.",
)
@click.option("--licence", help="Licence of the weights, for the model card.")
@click.option("--notes", help="What users of the model should know.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def model_command(
    model: Path,
    folder: Path,
    version: int | None,
    signatures: tuple[str, ...],
    warmup_batch_sizes: tuple[int, ...],
    sampler: str | None,
    num_steps: int | None,
    max_num_steps: int | None,
    step_buckets: str | None,
    max_prompt_tokens: int | None,
    max_new_tokens: int | None,
    token_buckets: str | None,
    chunk_tokens: int | None,
    quantize: str | None,
    optimize: bool,
    licence: str | None,
    notes: str | None,
    as_json: bool,
) -> None:
    """Export MODEL, a .keras file or a run folder, to FOLDER/VERSION."""
    options = {
        "sampler": sampler,
        "num_steps": num_steps,
        "max_num_steps": max_num_steps,
        "step_buckets": _parse_buckets("--step-buckets", step_buckets),
        "max_prompt_tokens": max_prompt_tokens,
        "max_new_tokens": max_new_tokens,
        "token_buckets": _parse_buckets("--token-buckets", token_buckets),
        "chunk_tokens": chunk_tokens,
    }
    from tfgenai.export import (
        check_export,
        compare_variants,
        export_saved_model,
        read_card,
    )
    from tfgenai.export.optimize import CONSTANTS, INT8

    file = model_file(model)
    loaded = _load(file)
    data_card = _data_card(file.parent)
    given = {k: v for k, v in options.items() if v is not None}
    report = None
    if optimize:
        check_export(
            loaded, folder, version=version, signatures=signatures or None, **given
        )
        click.echo("Measuring ...", err=True)
        main = signatures[0] if signatures else None
        report = compare_variants(loaded, signature=main, serving_options=given)
        notes = "\n\n".join([*([notes] if notes else []), str(report)])
    click.echo(f"Exporting {file} ...", err=True)
    path = export_saved_model(
        loaded,
        folder,
        version=version,
        signatures=signatures or None,
        serving_options=given,
        warmup_batch_sizes=warmup_batch_sizes,
        data_card=data_card,
        class_names=(data_card or {}).get("class_names"),
        licence=licence,
        notes=notes,
        quantize=quantize,
        optimize=optimize,
    )
    card = read_card(path)
    if as_json:
        result = {
            "path": str(path),
            "version": int(path.name),
            "model": str(file),
            "family": card["family"],
            "signatures": list(card["signatures"]),
            "weights": card["weights"],
        }
        if report is not None:
            result["optimization"] = report.to_json()
        click.echo(json.dumps(result))
        return
    if report is not None:
        written = INT8 if quantize else CONSTANTS
        click.echo(f"{report}\n\nWritten: {written}.")
    click.echo(f"{path}: {', '.join(card['signatures'])}")
    click.echo(f"Check it:  tfgenai export verify {folder} --model {file}", err=True)
    click.echo(f"Serve it:  tfgenai serve {folder}", err=True)


@command.command("verify")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--model",
    type=click.Path(exists=True, path_type=Path),
    help=".keras file or run folder whose own answers are compared.",
)
@click.option(
    "--python",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Interpreter that loads the export, to try another TensorFlow.  "
    "[default: this one]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1.0),
    default=600.0,
    show_default=True,
    help="Seconds that loading and answering may take.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_context
def verify_command(
    context: click.Context,
    folder: Path,
    model: Path | None,
    python: Path | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Load FOLDER as TensorFlow Serving does and check what it answers.

    FOLDER is a version folder, or a folder of versions, of which the newest is taken.
    The exit code is 1 if a check fails.
    """
    import sys

    from tfgenai.export import verify

    loaded = None
    if model is not None:
        _hide_gpus()
        loaded = _load(model_file(model))
    click.echo(f"Verifying {folder} in a fresh process ...", err=True)
    report = verify(
        folder, loaded, python=python or Path(sys.executable), timeout=timeout
    )
    click.echo(json.dumps(report.to_json()) if as_json else str(report))
    if not report.ok:
        context.exit(1)


@command.command("reference")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--signature", default="generate", show_default=True, help="What to sample from."
)
@click.option(
    "--num-samples",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    help="Rows to sample.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the means as JSON.")
def reference_command(
    folder: Path, signature: str, num_samples: int, as_json: bool
) -> None:
    """Keep in FOLDER how its outputs are spread, so that a server sees them change.

    Do it before the export is served: a folder that changes is loaded again.
    """
    from tfgenai.export.reference import keep_reference

    click.echo(f"Sampling {num_samples} rows of {folder} ...", err=True)
    means = keep_reference(folder, signature=signature, num_samples=num_samples)
    if as_json:
        click.echo(json.dumps(means))
        return
    for name, mean in means.items():
        click.echo(f"{name}: mean {mean:.4g}")


def _parse_buckets(option: str, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(number) for number in text.split(",") if text.strip())
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a list of whole numbers such as 10,25.",
            param_hint=option,
        ) from None


def _load(file: Path) -> Any:
    click.echo(f"Loading {file} ...", err=True)
    from tfgenai.families import load_model

    return load_model(file, compile=False)


def _data_card(folder: Path) -> dict[str, Any] | None:
    from tfgenai.core.storage import read_json

    for name in _CARD_FILES:
        if (folder / name).is_file():
            card = read_json(folder / name)
            return card if isinstance(card, dict) else None
    return None


def _hide_gpus() -> None:
    # The fresh process computes on the processor, and only equal devices agree exactly.
    import contextlib

    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # TensorFlow has looked at them already
        tf.config.set_visible_devices([], "GPU")
