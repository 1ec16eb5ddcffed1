"""Every law runs on every model of the list."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "descriptor" in metafunc.fixturenames:
        from models import MODELS

        metafunc.parametrize("descriptor", MODELS, ids=lambda d: d.name)
