"""Executes the tutorials in place, so that they are kept with their outputs."""

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent


def execute(path: Path, folder: str) -> nbformat.NotebookNode:
    """Runs a notebook in `folder` with this Python; returns it with its outputs.

    Args:
        path: the notebook.
        folder: where it runs, so that what it writes does not lie beside it.

    Raises:
        nbclient.exceptions.CellExecutionError: if a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": folder}},
    )
    client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of day would change every time
        if "outputs" in cell:  # warnings are those of one machine on one day
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
    return notebook


def main() -> None:
    """Executes all notebooks, or those that are named."""
    paths = [Path(name) for name in sys.argv[1:]] or sorted(HERE.glob("*.ipynb"))
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            notebook = execute(path, folder)
        nbformat.write(notebook, path)
        sys.stdout.write(f"executed {path.name}\n")


if __name__ == "__main__":
    main()
