"""Runs the examples in the docstrings, each module in its own names."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import tfgenai


def modules_with_examples() -> list[str]:
    names = []
    for module in pkgutil.walk_packages(tfgenai.__path__, "tfgenai."):
        spec = module.module_finder.find_spec(module.name, None)
        if spec and spec.origin and ">>> " in Path(spec.origin).read_text("utf-8"):
            names.append(module.name)
    return names


def test_there_are_examples():
    assert "tfgenai.core.random" in modules_with_examples()


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_say_what_they_print(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    results = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.attempted > 0
    assert results.failed == 0
