"""The report: all that happened is on it, and nothing of the data is run."""

import html.parser

import numpy as np
import pytest
from fake_source import FakeSource, pictures, renamed

from tfgenai.data.preparation.histograms import bars
from tfgenai.data.preparation.report import write_report
from tfgenai.data.raw import Example, Problem, Sound

EVIL = '<script>alert("x")</script>'


class Page(html.parser.HTMLParser):
    """Tags and addresses of a page, and all that stands between them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [v for k, v in attributes if k in ("src", "href")]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def page_of(prepared):
    return Page((prepared.path / "report.html").read_text(encoding="utf-8"))


def test_counts_reasons_and_hashes_are_on_the_page(prepare_source):
    examples = pictures(60)
    copies = [renamed(examples[i], f"copy-{i}.png") for i in range(3)]
    prepared = prepare_source(FakeSource([*examples, *copies]))
    page = page_of(prepared)
    for words in (
        "63 raw examples",
        "60 in the set",
        "3 dropped",
        "exact_duplicate drop 63 3 0 0 0 60",
        "copy-1.png drop: same content as 00001.png",
        f"train 48 0 {prepared.card.splits['train'].sha256}",
        "tfgenai data prepare recipe.yaml",
    ):
        assert words in page.text
    assert page.tags.count("img") == 3 + 12 + 6 + 6
    assert {address[:15] for address in page.addresses} == {"data:image/png;"}
    assert page.tags.count("svg") == 2


def test_what_comes_from_the_data_is_shown_and_not_run(prepare_source):
    texts = [
        Example(f"{i:02d}{EVIL}", f"{EVIL} text {i}", label=EVIL) for i in range(30)
    ]
    texts[3] = Example("bad", f"{EVIL}\0{EVIL}", label=EVIL)
    prepared = prepare_source(
        FakeSource(texts, kind="text"),
        clean=["control_characters"],
        leaks={"near": False, "ngrams": False},
        licence=EVIL,
    )
    page = page_of(prepared)
    assert "script" not in page.tags
    assert EVIL in page.text
    assert "repair: control characters, first at character 27" in page.text


def test_sound_can_be_heard(prepare_source):
    sounds = [
        Example(str(i), Sound(np.full((80 + i, 1), 0.1, np.float32), 8000))
        for i in range(30)
    ]
    page = page_of(prepare_source(FakeSource(sounds, kind="sound"), clean=[]))
    assert page.tags.count("audio") == 12 + 3 + 3
    assert all(a.startswith("data:audio/wav;base64,") for a in page.addresses)
    assert "seconds" in page.text


def test_the_same_set_gives_the_same_page(prepare_source, tmp_path):
    prepared = prepare_source(FakeSource(pictures(40)))
    again = write_report(prepared, tmp_path / "again.html")
    assert again.read_bytes() == (prepared.path / "report.html").read_bytes()


def test_bars_are_as_high_as_the_roots_of_counts():
    svg = bars([0.0] * 16 + [1.0] * 4, [1.0], "x")
    heights = [part.split('"')[0] for part in svg.split('height="')[1:]]
    assert [float(h) for h in heights] == pytest.approx([102.0, 51.0, 25.5])
    assert 'aria-label="x, from 0 to 1"' in svg


def texts(n):
    return [Example(f"{i:02d}", f"text {i} of {i * i} words or so") for i in range(n)]


def prepare_texts(prepare_source, examples, clean, **values):
    leaks = {"near": False, "ngrams": False}
    source = FakeSource(examples, kind="text")
    return prepare_source(source, clean=clean, leaks=leaks, **values)


@pytest.mark.parametrize("clean", [["personal_data"], ["encoding", "personal_data"]])
def test_what_is_masked_in_the_set_is_masked_on_the_page(prepare_source, clean):
    mail = Example("mail", "schÃ¶n, write to jane.roe@example.org at once")
    prepared = prepare_texts(prepare_source, [*texts(30), mail], clean)
    page = page_of(prepared)
    assert "jane.roe" not in page.text
    assert "[EMAIL]" in page.text
    assert "1 email" in page.text


def test_a_person_who_takes_the_mask_back_sees_what_is_below(prepare_source):
    mail = Example("mail", "write to jane.roe@example.org at once")
    exceptions = [{"id": "mail", "rule": "personal_data"}]
    prepared = prepare_texts(
        prepare_source, [*texts(30), mail], ["personal_data"], exceptions=exceptions
    )
    assert "jane.roe" in page_of(prepared).text


def test_what_cannot_be_shown_is_named_with_its_reason(prepare_source):
    bad = Example("cut.png", None, problem=Problem("truncated", "of 60 bytes"))
    prepared = prepare_source(
        FakeSource([*pictures(40), bad]), clean=["unreadable", "exact_duplicate"]
    )
    assert "cut.png drop: truncated: of 60 bytes" in page_of(prepared).text


def test_raw_copies_and_imbalance_are_counted(prepare_source):
    examples = pictures(60)
    copies = [renamed(examples[i], f"copy-{i}.png") for i in (0, 0, 1)]
    copies[1] = renamed(examples[0], "copy-again.png")
    page = page_of(prepare_source(FakeSource([*examples, *copies])))
    assert "2 groups of exact copies, 5 examples in all, the largest of 3" in page.text
    assert "The largest class is 1.00 times the smallest." in page.text
