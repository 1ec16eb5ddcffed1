"""The package as a whole: its names, and what importing it costs."""

import json
import os
import subprocess
import sys

import pytest

import tfgenai

HEAVY = ("tensorflow", "keras", "numpy", "tensorflow_datasets", "grpc")


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_public_names_are_sorted_and_exist():
    assert tfgenai.__all__ == sorted(tfgenai.__all__, key=str.lower)
    for name in tfgenai.__all__:
        assert getattr(tfgenai, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = tfgenai.nonsense


def test_importing_the_package_imports_nothing_heavy():
    assert not modules_after("import tfgenai").intersection(HEAVY)


@pytest.mark.parametrize(
    "verb", ["", "data", "demo", "evaluate", "export", "generate", "serve", "train"]
)
def test_help_imports_nothing_heavy(verb):
    code = (
        "import contextlib, io\n"
        "from tfgenai.cli.main import cli\n"
        "out = io.StringIO()\n"
        "with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):\n"
        f"    cli({[verb, '--help'] if verb else ['--help']!r})\n"
        "assert 'Usage' in out.getvalue()"
    )
    assert not modules_after(code).intersection(HEAVY)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"KERAS_BACKEND": "numpy"}, "backend='numpy'"),
        ({}, "image_data_format='channels_first'"),
    ],
)
def test_other_backends_and_layouts_are_refused(settings, word):
    change = "import keras; keras.config.set_image_data_format('channels_first')\n"
    code = ("" if settings else change) + "import tfgenai.core.model"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **settings},
        check=False,
    )
    assert done.returncode != 0
    assert word in done.stderr
    assert "ConfigError" in done.stderr
