"""`tfgenai generate`: samples of a trained model as a picture, an array or text."""

import json
from pathlib import Path
from typing import Any

import click

from tfgenai.cli.shared import model_file, parse_settings, sampling_options

_ARRAY_SUFFIX = ".npy"
_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_TEXT_SUFFIX = ".txt"
_PICTURE_CHANNELS = (1, 3, 4)
_PICTURE = Path("samples.png")
_BETWEEN_TEXTS = "\n---\n"


@click.command(short_help="Draw samples from a trained model.")
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--num",
    "--num-samples",
    "num_samples",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="Number of samples.",
)
@click.option(
    "--labels",
    help="Labels to ask for, such as 3 or 0,1,2; repeated until there are enough.  "
    "[default: all in turn]",
)
@click.option(
    "--prompt",
    "prompts",
    multiple=True,
    help="What a language model's texts begin with; may be repeated.  [default: "
    "nothing]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The same seed gives the same samples.",
)
@sampling_options
@click.option(
    "--batch-size", type=click.IntRange(min=1), help="Samples drawn at a time."
)
@click.option(
    "--columns", type=click.IntRange(min=1), help="Images in a row of the picture."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A picture (.png, .jpg, .webp), or .npy: float32 in [-1, 1]; texts go to a "
    f".txt.  [default: {_PICTURE}; texts are printed]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    model: Path,
    num_samples: int,
    labels: str | None,
    prompts: tuple[str, ...],
    seed: int,
    sampler: str | None,
    settings: tuple[str, ...],
    batch_size: int | None,
    columns: int | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Draw samples from MODEL, a .keras file or a run folder.

    \b
    tfgenai generate runs/gan_digits --num 20 --labels 0,1,2 --seed 7
    tfgenai generate best.keras --output samples.npy
    tfgenai generate runs/ddpm --sampler dpmpp_2m --set num_steps=10
    tfgenai generate runs/gpt --prompt ROMEO: --num 3 --set temperature=0.8

    Of a run folder, best.keras is taken, or else last.keras. An existing OUTPUT is
    replaced.
    """  # noqa: D301 - click's mark for lines that are not rewrapped
    suffix = "" if output is None else output.suffix.lower()
    known = ("", _TEXT_SUFFIX, _ARRAY_SUFFIX, *_PICTURE_SUFFIXES)
    if suffix not in known or (output is not None and not suffix):
        raise click.BadParameter(
            f"{str(output)!r} must end in {', '.join(known[1:])}.",
            param_hint="--output",
        )
    wanted = None if labels is None else _parse_labels(labels)
    conditions = parse_settings(sampler, settings)
    path = model_file(model)

    from tfgenai.core.storage import require_writable_folder
    from tfgenai.families import load_model

    if output is not None:
        require_writable_folder(output.parent)
    loaded = load_model(path, compile=False)
    if hasattr(loaded, "generate_tokens"):
        if suffix not in ("", _TEXT_SUFFIX) or wanted is not None:
            raise click.UsageError(
                f"{path} is a language model: texts go to a {_TEXT_SUFFIX} file, and "
                "it takes no --labels."
            )
        texts = _texts(loaded, prompts, num_samples, seed, batch_size, conditions)
        _show_texts(texts, output, path, seed, as_json)
        return
    if prompts or suffix == _TEXT_SUFFIX:
        raise click.UsageError(f"{path} makes no texts. Leave --prompt out.")
    output = output or _PICTURE
    shape = getattr(loaded, "image_shape", None)
    if output.suffix.lower() != _ARRAY_SUFFIX and (
        shape is None or shape[-1] not in _PICTURE_CHANNELS
    ):
        raise click.UsageError(
            f"{path} makes no pictures. Give --output samples{_ARRAY_SUFFIX}."
        )
    require_writable_folder(output.parent)
    taken = {condition.name: condition for condition in loaded.conditions()}
    if wanted is None and "labels" in taken:
        wanted = list(range(int(taken["labels"].maximum or 0) + 1))
        columns = columns or min(len(wanted), num_samples)
    if wanted is not None:
        repeated = wanted * (num_samples // len(wanted) + 1)
        conditions["labels"] = repeated[:num_samples]
    samples = loaded.generate(
        num_samples, seed=seed, batch_size=batch_size, **conditions
    )
    _write(output, samples, columns)
    result = {
        "output": str(output),
        "model": str(path),
        "shape": list(samples.shape),
        "seed": seed,
        "labels": conditions.get("labels"),
    }
    if as_json:
        click.echo(json.dumps(result))
    else:
        click.echo(f"Wrote {output}: {num_samples} samples of {path}, seed {seed}.")


def _texts(
    model: Any,
    prompts: tuple[str, ...],
    num_samples: int,
    seed: int,
    batch_size: int | None,
    conditions: dict[str, Any],
) -> list[str]:
    """As many texts of each prompt, or from nothing."""
    rows = [prompt for prompt in prompts for _ in range(num_samples)] or num_samples
    texts: list[str] = model.generate(
        rows, seed=seed, batch_size=batch_size, **conditions
    )
    return texts


def _show_texts(
    texts: list[str], output: Path | None, model: Path, seed: int, as_json: bool
) -> None:
    from tfgenai.core.storage import write_text

    if output is not None:
        write_text(output, _BETWEEN_TEXTS.join(texts) + "\n")
    if as_json:
        result = {"model": str(model), "seed": seed, "texts": texts}
        click.echo(json.dumps(result | ({"output": str(output)} if output else {})))
    elif output is not None:
        click.echo(f"Wrote {output}: {len(texts)} texts of {model}, seed {seed}.")
    else:
        click.echo(_BETWEEN_TEXTS.join(texts))


def _write(output: Path, samples: Any, columns: int | None) -> None:
    if output.suffix.lower() == _ARRAY_SUFFIX:
        import numpy as np

        from tfgenai.core.storage import atomic_file

        # Into an open file: np.save would add its suffix to another spelling of it.
        with atomic_file(output) as beside, open(beside, "wb") as file:
            np.save(file, samples)
        return
    from tfgenai.evaluate import save_grid
    from tfgenai.train.sample_grid import display_scale

    save_grid(output, samples, columns, scale=display_scale(samples))


def _parse_labels(text: str) -> list[int]:
    try:
        return [int(label) for label in text.split(",")]
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a list of whole numbers such as 0,1,2.",
            param_hint="--labels",
        ) from None
