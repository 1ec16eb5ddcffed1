"""The report of a prepared set: one HTML page that needs nothing beside it."""

import base64
import io
import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

import tfgenai
from tfgenai.core import storage
from tfgenai.core.pages import template_environment
from tfgenai.data.preparation.contents import decode_content
from tfgenai.data.preparation.histograms import histograms
from tfgenai.data.preparation.prepared import Prepared
from tfgenai.data.raw.example import Kind, Sound

_MOST_PIXELS, _LEAST_PIXELS = 160, 84
_MOST_CHARACTERS = 400
_MOST_SECONDS = 10.0
_SAMPLES = 12
_CLASSES = 40
_SETTINGS = ("rule", "action", "before", "after", "dropped", "repaired", "kept")


def write_report(
    prepared: Prepared, path: "str | os.PathLike[str] | None" = None
) -> Path:
    """Writes what was done to the data, for people: counts, samples, reasons, hashes.

    The page loads nothing and runs nothing; what comes from the data is escaped. The
    same set gives the same bytes.

    Args:
        prepared: the set.
        path: the page; None for `report.html` in its folder.

    Returns:
        The path.

    Raises:
        StorageError: if it cannot be written.
    """
    target = Path(path) if path is not None else prepared.path / "report.html"
    card, ledger = prepared.card, prepared.ledger()
    about: dict[str, Any] = card.preparation or {}
    shown = _previews(prepared)
    rules = [
        {
            **rule,
            "settings": _settings(rule),
            "previews": shown.get(rule["rule"], []),
        }
        for rule in about["rules"]
    ]
    environment = template_environment(Path(__file__).parent)
    environment.filters["number"] = lambda value: f"{value:,}"
    page = environment.get_template("report.html").render(
        card=card,
        about=about,
        kind=prepared.kind,
        rules=rules,
        samples={name: _samples(prepared, name) for name in prepared.split_names()},
        histograms=histograms(ledger, prepared.kind),
        classes=_classes(prepared),
        recipe=(prepared.path / "recipe.yaml").read_text(encoding="utf-8"),
        version=tfgenai.__version__,
    )
    return storage.write_text(target, page)


def show(content: "np.ndarray | str | Sound") -> dict[str, str]:
    """Content as a page shows it: `text`, or the address of an `image` or `sound`."""
    if isinstance(content, str):
        more = "…" if len(content) > _MOST_CHARACTERS else ""
        return {"text": content[:_MOST_CHARACTERS] + more}
    buffer = io.BytesIO()
    if isinstance(content, Sound):
        count = int(_MOST_SECONDS * content.sample_rate)
        soundfile.write(
            buffer, content.samples[:count], content.sample_rate, format="WAV"
        )
        return {"sound": _address("audio/wav", buffer.getvalue())}
    picture = Image.fromarray(content[..., 0] if content.shape[2] == 1 else content)
    largest = max(picture.size)
    if largest > _MOST_PIXELS:
        picture.thumbnail((_MOST_PIXELS, _MOST_PIXELS))
    elif largest < _LEAST_PIXELS:
        scale = _LEAST_PIXELS // largest
        size = (picture.width * scale, picture.height * scale)
        picture = picture.resize(size, Image.Resampling.NEAREST)
    picture.save(buffer, "PNG")
    return {"image": _address("image/png", buffer.getvalue())}


def _address(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _previews(prepared: Prepared) -> dict[str, list[dict[str, Any]]]:
    """For each rule some of what it found, with the reasons."""
    reasons: dict[tuple[str, str], str] = {}
    rows = prepared.previews().to_pylist()
    wanted = {row["id"] for row in rows}
    ledger = prepared.ledger()
    for name, findings in zip(
        ledger["id"].to_pylist(), ledger["findings"].to_pylist(), strict=True
    ):
        if name in wanted:
            for finding in findings:
                words = f"{finding['action']}: {finding['reason']}"
                reasons[name, finding["rule"]] = words
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        after = row["after"]
        found.setdefault(row["rule"], []).append(
            {
                "id": row["id"],
                "reason": reasons.get((row["id"], row["rule"]), ""),
                "before": show(_decode(row["before"], prepared.kind)),
                "after": None if after is None else show(_decode(after, prepared.kind)),
            }
        )
    return found


def _decode(data: bytes, kind: Kind) -> "np.ndarray | str | Sound":
    if kind == "text":
        return data.decode("utf-8", "replace")
    return decode_content(data, kind)


def _samples(prepared: Prepared, split: str) -> list[dict[str, Any]]:
    some = itertools.islice(prepared.read(split), _SAMPLES)
    return [
        {"id": one.id, "label": one.label, **show(one.content)}
        for one in some
        if one.content is not None
    ]


def _settings(rule: dict[str, Any]) -> str:
    rest = {
        key: value for key, value in rule.items() if key not in (*_SETTINGS, "excepted")
    }
    return ", ".join(f"{key}={value}" for key, value in rest.items())


def _classes(prepared: Prepared) -> list[dict[str, Any]]:
    """Counts of the largest classes in each split."""
    card = prepared.card
    names = card.class_names or []
    counts = [
        (
            name,
            [
                split.label_histogram[place] if split.label_histogram else 0
                for split in card.splits.values()
            ],
        )
        for place, name in enumerate(names)
    ]
    counts.sort(key=lambda pair: -sum(pair[1]))
    return [{"name": name, "counts": row} for name, row in counts[:_CLASSES]]
