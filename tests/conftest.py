"""Settings and fixtures that every test shares."""

import ctypes
import gc
import os
import platform
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("MPLBACKEND", "agg")
# What XLA compiles here runs for moments: LLVM's optimizer takes longer than it saves.
# Processes that tests start inherit it.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
)

from pathlib import Path

import hypothesis
import pytest

# A busy machine is no failure of a test.
hypothesis.settings.register_profile("without_deadline", deadline=None)
hypothesis.settings.load_profile("without_deadline")

# The longest files, longest first: begun late, one would keep a worker busy alone.
_LONGEST = (
    "conformance/test_export.py",
    "notebooks/test_notebooks.py",
    "conformance/test_saving.py",
    "conformance/test_adapters.py",
    "conformance/test_resume.py",
    "conformance/test_replicas.py",
    "conformance/test_seeds.py",
    "test_documents.py",
    "gpt/test_decoding.py",
    "test_doctests.py",
)
_DATA_VARIABLE = "TFGENAI_TEST_DATA"
_MUCH = 2**31
_STRICT_VARIABLE = "TFGENAI_REQUIRE_TEST_DATA"


def pytest_configure(config: pytest.Config) -> None:
    if config.option.collectonly:
        return
    import tensorflow as tf

    # Two logical devices, so that strategies have two replicas on any machine; this
    # must come before TensorFlow looks at its devices.
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )


@pytest.hookimpl(trylast=True)  # after pytest-randomly, which shuffles the files
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = Path(__file__).parent
    rank = {folder / name: i for i, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import tensorflow as tf

        if not tf.config.list_physical_devices("GPU"):
            pytest.skip("needs a GPU")
    if item.get_closest_marker("data") and _data_folder() is None:
        message = f"needs real data: set {_DATA_VARIABLE} to their folder"
        if os.environ.get(_STRICT_VARIABLE):
            pytest.fail(message)
        pytest.skip(message)


def pytest_terminal_summary(terminalreporter) -> None:
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if _DATA_VARIABLE in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} tests of real data were skipped: set {_DATA_VARIABLE} to "
            "the folder that holds mnist/ (see CONTRIBUTING.md).",
            yellow=True,
        )


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of the original files of the public data sets."""
    folder = _data_folder()
    if folder is None:
        pytest.skip(f"needs real data: set {_DATA_VARIABLE} to their folder")
    return folder


@pytest.fixture(autouse=True)
def _restore_global_settings():
    """Gives every test the dtype policy that it would have alone."""
    yield
    import sys

    if "keras" in sys.modules:
        keras = sys.modules["keras"]
        if keras.config.dtype_policy().name != "float32":
            keras.config.set_dtype_policy("float32")


def _data_folder() -> Path | None:
    value = os.environ.get(_DATA_VARIABLE)
    return Path(value).resolve() if value and Path(value).is_dir() else None


@pytest.fixture(scope="session")
def traced_signatures():
    """Makes the endpoints of a model callable, each a graph as in an export."""
    import tensorflow as tf

    def concrete(signature):
        names = list(signature.inputs)
        traced = tf.function(
            lambda *tensors: signature.function(
                **dict(zip(names, tensors, strict=True))
            ),
            input_signature=list(signature.inputs.values()),
            autograph=False,
        ).get_concrete_function()

        def call(**inputs):
            tensors = [
                tf.constant(inputs[name], spec.dtype)
                for name, spec in signature.inputs.items()
            ]
            return {name: t.numpy() for name, t in traced(*tensors).items()}

        return call

    return lambda model: {
        name: concrete(signature)
        for name, signature in model.serving_signatures().items()
    }


@pytest.fixture(scope="module", autouse=True)
def _memory_is_given_back():
    """Returns to the system what a file's models took: a worker runs many of them."""
    yield
    if _resident_bytes() > _MUCH:
        gc.collect()
        if platform.libc_ver()[0] == "glibc":
            ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(scope="session")
def resident_bytes():
    """Tells how much memory a process takes, by its number; this one without."""
    return _resident_bytes


def _resident_bytes(process: int | str = "self") -> int:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def in_fresh_process():
    """Runs Python code with arguments in a new process; what it prints, in words."""

    def run(code: str, *arguments: object) -> list[str]:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout.split()

    return run
