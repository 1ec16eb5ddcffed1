"""The documents: figures come from files, code runs as printed, links lead on."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_the_figures_in_the_readme_are_those_of_the_result_files():
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "tables.py"), "--check"], check=False
    )
    assert done.returncode == 0, "run benchmarks/tables.py"


def test_links_lead_to_files():
    for document in ROOT.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text("utf-8")):
            assert (ROOT / target).exists(), f"{document.name}: {target}"


@pytest.mark.slow
def test_the_five_lines_work_as_printed(tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    five_lines, text_lines, client_lines = blocks
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(five_lines.replace("epochs=30", "epochs=1, verbose=0"), names)
    assert (tmp_path / "served" / "digits" / "1" / "saved_model.pb").is_file()
    # as printed, but on a tenth of the text
    for printed, quicker in (
        ("epochs=3", "epochs=1, verbose=0"),
        ('"train[:90%]", "train[90%:]"', '"train[:9%]", "train[9%:10%]"'),
        ("max_new_tokens=40", "max_new_tokens=4"),
    ):
        assert printed in text_lines
        text_lines = text_lines.replace(printed, quicker)
    exec(text_lines, names)
    assert (tmp_path / "served" / "topics" / "1" / "saved_model.pb").is_file()
    from tfgenai.serving import Server, Settings

    # one endpoint of many is asked; the language model's would be prepared for nothing
    settings = Settings(enable_model_warmup=False)
    with Server(
        tmp_path / "served", port=0, rest_api_port=0, settings=settings
    ) as server:
        exec(client_lines.replace("8500", str(server.port)), names)
    assert names["images"].shape == (3, 8, 8, 1)
