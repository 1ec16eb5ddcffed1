import base64
import dataclasses
import html.parser
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

import tfgenai
from tfgenai.core.errors import StorageError
from tfgenai.evaluate.metrics import MetricValue
from tfgenai.evaluate.report import Report, format_number, format_value


def _value(name: str = "fid", **changes) -> MetricValue:
    fields = {
        "name": name,
        "title": "Fréchet distance",
        "value": 2.125,
        "unit": "squared feature distance",
        "better": "lower",
        "n": 1000,
        "seed": 7,
        "interval": (2.0, 2.25),
        "floor": 0.5,
        "extractor_hash": "ab" * 32,
        "method": "Bootstrap.",
    }
    return MetricValue(**(fields | changes))


@pytest.fixture
def report() -> Report:
    histogram = _value(
        "class_histogram",
        title="Classes covered",
        details={"histogram": [3, 1], "test_histogram": [2, 2]},
    )
    nearest = _value(
        "nearest",
        title="Nearer",
        interval=None,
        floor=None,
        details={
            "space": "pixels",
            "num_identical": 0,
            "median_distance": 1.5,
            "median_test_distance": 1.25,
        },
        artifacts={
            "samples": np.zeros((4, 8, 8, 1), np.uint8),
            "neighbours": np.zeros((4, 2, 8, 8, 1), np.uint8),
        },
    )
    return Report(
        metrics={"fid": _value(), "class_histogram": histogram, "nearest": nearest},
        settings={"model": "<script>alert(1)</script>", "num_samples": 4, "seed": 7},
        model={"latent_dim": 20},
        data={"data": "digits & <b>more</b>"},
        extractor={"SHA-256": "ab" * 32},
        notes=("A note.",),
        images=np.zeros((4, 8, 8, 1), np.uint8),
        labels=np.array([0, 0, 1, 1]),
        class_names=["zero", "<one>"],
    )


class _Page(html.parser.HTMLParser):
    """Collects tags, pictures, text and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.open, self.pictures, self.links = [], [], [], []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        values = dict(attributes)
        if tag == "img":
            self.pictures.append(values)
        self.links += [values[key] for key in ("src", "href") if key in values]
        if tag not in ("img", "meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_report_is_a_mapping_of_figures(report) -> None:
    assert list(report) == ["fid", "class_histogram", "nearest"]
    assert report["fid"].value == 2.125
    assert "kid" not in report
    with pytest.raises(KeyError, match="Did you mean 'fid'"):
        report["fit"]
    assert str(report).splitlines()[0] == "Fréchet distance: 2.125 [2, 2.25]"


def test_json_holds_everything_but_the_pictures(report, tmp_path) -> None:
    path = report.save(tmp_path / "report.json")
    found = json.loads(path.read_text())
    assert found["tfgenai_version"] == tfgenai.__version__
    assert found["metrics"]["fid"] == {
        "name": "fid",
        "title": "Fréchet distance",
        "value": 2.125,
        "unit": "squared feature distance",
        "better": "lower",
        "n": 1000,
        "seed": 7,
        "interval": [2.0, 2.25],
        "floor": 0.5,
        "extractor_hash": "ab" * 32,
        "method": "Bootstrap.",
        "details": {},
    }
    assert found["metrics"]["nearest"]["interval"] is None
    assert (found["model"], found["notes"]) == ({"latent_dim": 20}, ["A note."])
    assert "artifacts" not in path.read_text()


def test_page_is_whole_and_needs_nothing_from_outside(report, tmp_path) -> None:
    page = _Page(report.save(tmp_path / "report.html").read_text("utf-8"))
    assert page.open == []
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert len(page.pictures) == 3
    assert all(picture["alt"] for picture in page.pictures)
    for picture in page.pictures:
        data = base64.b64decode(picture["src"].split(",")[1])
        assert Image.open(io.BytesIO(data)).format == "PNG"
    for words in ("Fréchet distance", "2.125", "abababababab", "A note.", "latent dim"):
        assert words in page.text
    assert re.search(r"2\s…\s2\.25", page.text)


def test_text_from_outside_is_escaped(report) -> None:
    page = _Page(report.to_html())
    assert "script" not in page.tags
    assert "b" in page.tags  # the cards' own; the data's stays text
    assert "<script>alert(1)</script>" in page.text
    assert "digits & <b>more</b>" in page.text


def test_page_without_classes_labels_and_neighbours(report) -> None:
    bare = dataclasses.replace(
        report, metrics={"fid": _value()}, labels=None, model={}, extractor={}
    )
    page = _Page(bare.to_html())
    assert len(page.pictures) == 1
    assert "Nearest training images" not in page.text
    assert "columns are the labels" not in page.text


def test_other_suffixes_and_places_are_refused(report, tmp_path) -> None:
    with pytest.raises(ValueError, match=r"\.html or \.json.*report.pdf"):
        report.save(tmp_path / "report.pdf")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        report.save(tmp_path / "file" / "report.json")


def test_numbers_have_four_digits() -> None:
    numbers = [0.00012345, 12345.6, 7, 60_000, True, None, "a", [1, 2]]
    assert [format_number(number) for number in numbers] == [
        "0.0001234",
        "1.235e+04",
        "7",
        "60,000",
        "True",
        "–",
        "a",
        "[1, 2]",
    ]
    assert format_value(_value(interval=None)) == "2.125"
