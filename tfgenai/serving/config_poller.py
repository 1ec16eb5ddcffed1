"""The file of models, read again from time to time."""

import logging
import threading
from collections.abc import Callable, Sequence

from tfgenai.core.errors import TfgenaiError
from tfgenai.core.storage import PathLike
from tfgenai.serving.config import ModelConfig, models_from_file

_LOGGER = logging.getLogger(__name__)


class ConfigPoller:
    """Has other models served once a file names them; a bad file changes nothing.

    Args:
        file: as for `--model_config_file`; what it holds now is served already.
        reload: what is told of the models of a new configuration.
        seconds: between two looks; 0 never looks.
    """

    def __init__(
        self,
        file: PathLike,
        reload: Callable[[Sequence[ModelConfig]], None],
        *,
        seconds: float,
    ) -> None:
        self._file = file
        self._reload = reload
        self._seconds = seconds
        self._served = models_from_file(file)
        self._complaint = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        if seconds > 0:
            self._thread = threading.Thread(
                target=self._run, name="tfgenai-config", daemon=True
            )
            self._thread.start()

    def poll(self) -> None:
        """Reads the file once."""
        try:
            models = models_from_file(self._file)
            if models != self._served:
                self._reload(models)
                self._served = models
                _LOGGER.info("%s was read again", self._file)
            self._complaint = ""
        except TfgenaiError as error:
            if str(error) != self._complaint:
                _LOGGER.error("%s", error)
            self._complaint = str(error)

    def stop(self) -> None:
        """Reads it no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self.poll()
            except Exception:
                _LOGGER.exception("reading %s failed; it is tried again", self._file)
