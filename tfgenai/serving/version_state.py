"""What a server knows of one version: its state, its servable, its last failure."""

import enum
import time
from pathlib import Path

from tfgenai.serving.config import Settings
from tfgenai.serving.servable import Servable
from tfgenai.serving.version_folder import Fingerprint, Watch, look_at


class State(enum.IntEnum):
    """TensorFlow Serving's `ModelVersionStatus.State`."""

    UNKNOWN = 0
    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


class VersionState:
    """One version of one model.

    Args:
        version: its number.
    """

    def __init__(self, version: int) -> None:
        self.version = version
        self.state = State.START
        self.code = "OK"
        self.message = ""
        self.servable: Servable | None = None
        self.is_settling = False
        self._watch = Watch()
        self._tried: Fingerprint | None = None
        self._failures = 0
        self._next_try = 0.0

    @property
    def is_known(self) -> bool:
        """Whether there is more to say of it than that its folder is there."""
        return self.is_settling or self.state is not State.START

    def is_usable(self, folder: Path, settings: Settings) -> bool:
        """Whether it is served, or its folder is worth a try to load it now.

        Args:
            folder: the version folder.
            settings: the server's settings.
        """
        if self.servable is not None:
            return True
        try:
            look = look_at(folder)
        except OSError:
            return False  # it changes while it is looked at
        self.is_settling = not self._watch.is_settled(look, settings.settle_seconds)
        if self.is_settling:
            return False
        if not look.has_graph:
            self._end("FAILED_PRECONDITION", f"{folder} has no saved_model.pb")
            return False
        if look.fingerprint == self._tried:
            may_retry = self._failures <= settings.max_num_load_retries
            return may_retry and time.monotonic() >= self._next_try
        self._tried, self._failures, self._next_try = look.fingerprint, 0, 0.0
        return True

    def looks_as_before(self, folder: Path) -> bool:
        """Whether the folder is still the one that was decided to be loaded."""
        try:
            return look_at(folder).fingerprint == self._tried
        except OSError:
            return False

    def loaded(self, servable: Servable) -> None:
        """It is served from now on."""
        self.servable = servable
        self.state, self.code, self.message = State.AVAILABLE, "OK", ""

    def failed(self, error: Exception, settings: Settings) -> None:
        """It could not be loaded."""
        self._failures += 1
        self._next_try = time.monotonic() + settings.load_retry_interval_micros / 1e6
        self._end(getattr(error, "code", "UNKNOWN"), str(error))

    def unloaded(self) -> Servable | None:
        """It is served no more; returns what has to be closed."""
        servable, self.servable = self.servable, None
        self._tried = None
        self._end("OK", "")
        return servable

    def _end(self, code: str, message: str) -> None:
        self.state, self.code, self.message = State.END, code, message
