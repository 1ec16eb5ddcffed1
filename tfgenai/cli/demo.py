"""`tfgenai demo`: the whole road on embedded data, from images to served answers."""

import json
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

_RECIPES = ("vae_digits", "gan_digits")
_ROWS = 4  # rows of real images, and of each model's, in the picture
_SEED = 7
# Served and local answers come from the same graph on the same machine.
_TOLERANCE = 1e-5
_EXTRACTOR, _SERVED = "extractor", "served"
_SAMPLES, _PAGE, _REPORT = "samples.png", "report.html", "report.json"
_OWN = {*_RECIPES, _EXTRACTOR, _SERVED, _SAMPLES, _PAGE, _REPORT}


@click.command(short_help="The whole road on embedded data, in minutes.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/demo"),
    show_default=True,
    help="Folder to write.",
)
@click.option("--epochs", type=click.IntRange(min=1), help="Passes, to try it faster.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(output: Path, epochs: int | None, as_json: bool) -> None:
    """Load digits, train a VAE and a GAN, evaluate, export, serve and call them.

    Needs no network and no GPU, and takes about two minutes on two cores. What is done
    already is not done again: a demo that was stopped goes on, and one that is
    finished only serves and asks.
    """
    _refuse_foreign(output)
    steps = _Steps(total=5)
    with steps("Load the embedded digits and train a classifier to measure with"):
        from tfgenai.core.storage import require_writable_folder, write_json, write_text

        require_writable_folder(output)
        test = _prepare(output)
    runs = {}
    for name in _RECIPES:
        with steps(f"Train, evaluate and export {name}"):
            runs[name] = _train(name, output, epochs)
    with steps("Serve both on free ports, ask over gRPC and REST, compare"):
        served, images = _serve_and_ask(output / _SERVED, runs)
    with steps("Write the picture and the report"):
        _draw(output / _SAMPLES, test, images)
        report = {
            "command": shlex.join(["tfgenai", *sys.argv[1:]]),
            "seconds": round(steps.seconds(), 1),
            "models": {name: run.report for name, run in runs.items()},
            "served": served,
        }
        write_text(output / _PAGE, _page(report))
        write_json(output / _REPORT, report)
    if as_json:
        click.echo(json.dumps(report))
        return
    for name, run in runs.items():
        click.echo(f"{name}: {_summary(run.report)}")
    for name, answers in served.items():
        click.echo(f"{name}: served answers equal model.generate ({_agree(answers)})")
    click.echo(
        f"Open next:\n"
        f"  {output / _SAMPLES}   real digits, then the VAE's, then the GAN's\n"
        f"  {output / _PAGE}   the figures, with links to each model's report\n"
        f"  {output / _SERVED}/   what TensorFlow Serving loads; or run\n"
        f"      tfgenai serve {output / _SERVED}\n"
        f"  notebooks/01_quickstart.ipynb   the same road in Python"
    )


class _Steps:
    """Says on standard error what is being done and how long it took."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._number = 0
        self._began = time.monotonic()

    @contextmanager
    def __call__(self, words: str) -> Iterator[None]:
        self._number += 1
        began = time.monotonic()
        click.echo(f"[{self._number}/{self._total}] {words} ...", err=True)
        yield
        click.echo(f"      {time.monotonic() - began:.1f} s", err=True)

    def seconds(self) -> float:
        """Seconds since the first step."""
        return time.monotonic() - self._began


def _refuse_foreign(output: Path) -> None:
    if not output.is_dir():
        return
    others = sorted(
        entry.name
        for entry in output.iterdir()
        if entry.name not in _OWN and not entry.name.startswith(".partial-")
    )
    if others:
        raise click.BadParameter(
            f"{str(output)!r} holds {', '.join(others[:3])}, which no demo wrote. "
            "Choose an empty folder.",
            param_hint="--output",
        )


def _prepare(output: Path) -> Any:
    """Trains the extractor unless it is there; returns the test images."""
    from tfgenai.core.storage import remove_partials
    from tfgenai.data import load_arrays
    from tfgenai.evaluate import Extractor, fit_extractor

    remove_partials(output)
    if (output / _EXTRACTOR).is_dir():
        Extractor.load(output / _EXTRACTOR)
    else:
        fit_extractor("digits", output=output / _EXTRACTOR, verbose=True)
    return load_arrays("digits", split="test")


def _train(name: str, output: Path, epochs: int | None) -> Any:
    from tfgenai.train import Recipe, run

    overrides: dict[str, Any] = {
        "evaluate.features": str(output / _EXTRACTOR),
        "export": f"../{_SERVED}/{name}",
    }
    if epochs is not None:
        overrides["fit.epochs"] = epochs
    recipe = Recipe.load(name, overrides=overrides)
    return run(recipe, output / name, command=f"tfgenai train {name}")


def _serve_and_ask(folder: Path, runs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Asks each served model for what its Python twin generates, over both protocols.

    Returns:
        What was found by model and protocol, and the images by model.
    """
    import numpy as np

    from tfgenai.core.random import row_seeds
    from tfgenai.serving import Client
    from tfgenai.serving.server import Server

    count = 10 * _ROWS
    labels = np.arange(count) % 10
    found: dict[str, Any] = {}
    images: dict[str, Any] = {}
    with Server(folder, port=0, rest_api_port=0) as server:
        addresses = {"grpc": server.address, "rest": server.rest_address or ""}
        for name, run in runs.items():
            local = run.load_model().generate(count, seed=_SEED, labels=labels)
            images[name] = local
            found[name] = {}
            for protocol, address in addresses.items():
                began = time.monotonic()
                with Client(address, model=name, protocol=protocol) as client:
                    answer = client.generate(
                        seed=row_seeds(_SEED, count), labels=labels
                    )
                difference = float(np.abs(answer["images"] - local).max())
                if not difference <= _TOLERANCE:
                    raise click.ClickException(
                        f"The answers of {name} over {protocol} differ from "
                        f"model.generate by up to {difference:.2g}; at most "
                        f"{_TOLERANCE:g} was expected."
                    )
                found[name][protocol] = {
                    "num_images": count,
                    "largest_difference": difference,
                    "seconds": round(time.monotonic() - began, 3),
                }
    return found, images


def _draw(path: Path, test: Any, images: dict[str, Any]) -> None:
    """One column a digit: rows of real images, then of each model's."""
    import numpy as np

    from tfgenai.evaluate import save_grid
    from tfgenai.evaluate.pixels import to_uint8
    from tfgenai.train.sample_grid import display_scale

    order = [np.flatnonzero(test.labels == digit)[:_ROWS] for digit in range(10)]
    real = test.images[np.stack(order, axis=1).reshape(-1)]
    rows = np.concatenate([real, *(to_uint8(drawn) for drawn in images.values())])
    save_grid(path, rows, 10, scale=display_scale(rows))


def _page(report: dict[str, Any]) -> str:
    from tfgenai.core.pages import template_environment

    environment = template_environment(Path(__file__).parent)
    names = list(
        dict.fromkeys(
            metric for model in report["models"].values() for metric in model["metrics"]
        )
    )
    return environment.get_template("demo.html").render(
        report=report, metrics=names, picture=_SAMPLES, page=_PAGE
    )


def _summary(report: dict[str, Any]) -> str:
    parts = []
    for name in ("fid", "label_accuracy"):
        figure = report["metrics"][name]
        parts.append(f"{name} {figure['value']:.3g} (floor {figure['floor']:.3g})")
    return f"{', '.join(parts)}, fitted in {report['seconds']['fit']:.0f} s"


def _agree(answers: dict[str, Any]) -> str:
    return ", ".join(
        f"{protocol}: {answer['num_images']} images, largest difference "
        f"{answer['largest_difference']:.1g}"
        for protocol, answer in answers.items()
    )
