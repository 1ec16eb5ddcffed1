"""What a fresh process is asked about an export, and what it says."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfgenai.core.errors import ExportError
from tfgenai.core.storage import PathLike
from tfgenai.export import fresh_process
from tfgenai.export.compare import rows_of
from tfgenai.export.warmup import (
    WARMUP_FILE,
    Inputs,
    bad_value,
    example_inputs,
    read_warmup,
)

ROWS = 8
FEW = 3
BAD_ROW = 1
LOADERS = {
    "session": "TensorFlow's Session loader",
    "second": "a second Session",
    "c_api": "the C API",
}


class Answers:
    """What the fresh process said, by loader and call.

    Args:
        result: the content of its result file.
        calls: what it was asked.
    """

    def __init__(self, result: Mapping[str, Any], calls: list[dict[str, Any]]) -> None:
        self.tensorflow = str(result["tensorflow"])
        self.foreign = list(result["foreign"])
        self.failures = {loader: result[loader]["failure"] for loader in LOADERS}
        self._answers: dict[tuple[str, str, str], Any] = {}
        for loader in LOADERS:
            asked = [call for call in calls if loader in call["loaders"]]
            for call, answer in zip(asked, result[loader]["answers"], strict=False):
                self._answers[loader, call["signature"], call["kind"]] = answer

    def of(self, signature: str, kind: str, loader: str = "session") -> Any:
        """The outputs of a call as arrays, or words for why there are none."""
        answer = self._answers.get((loader, signature, kind))
        if answer is None:
            return self.failures[loader] or "it was not asked"
        if "failure" in answer:
            return str(answer["failure"])
        return {k: fresh_process.decode(v) for k, v in answer["outputs"].items()}

    def kinds(self, signature: str) -> list[str]:
        """The kinds of call that a signature got from the first loader."""
        return [
            kind
            for loader, name, kind in self._answers
            if (loader, name) == ("session", signature)
        ]


def plan_calls(folder: Path, described: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The calls that show how an export treats its rows.

    Args:
        folder: the version folder, for its warm-up records.
        described: the inputs of each signature, as the model card describes them.

    Returns:
        Calls in JSON: the warm-up records, and for each signature `whole` (8 rows),
        `few` and `one` (its first rows), `padded` and `bad <input>`.
    """
    calls = []

    def ask(signature: str, kind: str, inputs: Inputs, *loaders: str) -> None:
        encoded = {name: fresh_process.encode(v) for name, v in inputs.items()}
        calls.append(
            {"signature": signature, "kind": kind, "inputs": encoded}
            | {"loaders": loaders or ("session",)}
        )

    for number, (signature, inputs) in enumerate(read_warmup(folder / WARMUP_FILE)):
        ask(signature, f"warm-up {number}", inputs, "session", "c_api")
    for signature, fields in described.items():
        whole = example_inputs(fields, ROWS)
        ask(signature, "whole", whole, "session", "second", "c_api")
        ask(signature, "few", rows_of(whole, range(FEW)))
        ask(signature, "one", rows_of(whole, range(1)))
        # The server fills a batch up with copies of its first row.
        padded = [*range(FEW), *[0] * (ROWS - FEW)]
        ask(signature, "padded", rows_of(whole, padded))
        for field in fields:
            value = bad_value(field)
            if value is not None:
                spoilt = {name: array.copy() for name, array in whole.items()}
                spoilt[field["name"]][BAD_ROW] = value
                ask(signature, f"bad {field['name']}", spoilt)
    return calls


def ask(
    folder: Path, calls: list[dict[str, Any]], *, python: PathLike, timeout: float
) -> Answers:
    """Lets a fresh interpreter load the export and answer the calls.

    Args:
        folder: the version folder.
        calls: what `plan_calls` returned.
        python: the interpreter.
        timeout: seconds after which it is given up.

    Raises:
        ExportError: if the process does not start, does not end, or crashes.
    """
    with tempfile.TemporaryDirectory(prefix="tfgenai-verify-") as scratch:
        job, result = Path(scratch) / "job.json", Path(scratch) / "result.json"
        job.write_text(
            json.dumps({"path": str(folder.resolve()), "calls": calls}),
            encoding="utf-8",
        )
        # Isolated: neither this package's folder nor the user's site is on the path.
        command = [
            os.fspath(python),
            "-I",
            fresh_process.__file__,
            str(job),
            str(result),
        ]
        try:
            run = subprocess.run(
                command,
                env=os.environ
                | {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"},
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ExportError(
                "A fresh process that answers was expected. Received: "
                f"python={os.fspath(python)!r} ({error}). Name an interpreter that has "
                "TensorFlow, or allow a longer timeout."
            ) from error
        if run.returncode or not result.exists():
            raise ExportError(
                "A fresh process that loads the export was expected. Received: exit "
                f"code {run.returncode} from {os.fspath(python)!r}:\n"
                + "\n".join(run.stderr.splitlines()[-5:])
            )
        return Answers(json.loads(result.read_text(encoding="utf-8")), calls)
