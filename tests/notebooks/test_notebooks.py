"""The tutorials run from top to bottom, and are kept with their outputs."""

import importlib.util
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# What is trained here need not be good: every line runs, for less long.
SHORTER = {
    "01_quickstart": {"epochs=80": "epochs=2"},
    "02_diffusion": {"epochs=40": "epochs=2"},
    "03_gpt": {
        "epochs = 12": "epochs = 2",
        "steps_per_epoch=100": "steps_per_epoch=10",
        "num_layers=4": "num_layers=1",
    },
    "05_finetune": {
        "steps_per_epoch=300": "steps_per_epoch=30",
        "steps_per_epoch=150": "steps_per_epoch=30",
        "epochs=20": "epochs=2",
    },
}


def load_execute():
    spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.execute


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_kept_notebook_was_executed_in_order_without_errors(path):
    cells = [c for c in nbformat.read(path, 4).cells if c.cell_type == "code"]
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    assert any(c.outputs for c in cells)
    assert not any(o.output_type == "error" for c in cells for o in c.outputs)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_notebook_runs(path, tmp_path):
    text = path.read_text("utf-8")
    for kept, shorter in SHORTER.get(path.stem, {}).items():
        assert kept in text
        text = text.replace(kept, shorter)
    short = tmp_path / path.name
    short.write_text(text, "utf-8")
    notebook = load_execute()(short, str(tmp_path))
    last = [c for c in notebook.cells if c.cell_type == "code"][-1]
    assert "largest difference" in "".join(o.get("text", "") for o in last.outputs)
