"""Models and their versions: found on disk, loaded, served, and taken back."""

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tfgenai.core.errors import ConfigError, ServingError
from tfgenai.serving.codes import invalid
from tfgenai.serving.config import ModelConfig, Settings, version_folders
from tfgenai.serving.metrics import Metrics
from tfgenai.serving.servable import Servable
from tfgenai.serving.version_state import State, VersionState

_LOGGER = logging.getLogger(__name__)

# How often a folder that is still being written is looked at when the server starts.
_START_LOOK_SECONDS = 0.1

Loader = Callable[[str, int, Path, Settings], Servable]


class ModelManager:
    """Keeps the versions that each model's policy asks for loaded.

    A new version is loaded, warm-up included, before the old one is given up, and the
    old one stays until the requests that run in it are answered.

    Args:
        models: what to serve.
        settings: the server's settings.
        loader: makes a servable of a version folder.
        metrics: where loads are counted.
    """

    def __init__(
        self,
        models: Sequence[ModelConfig],
        settings: Settings,
        *,
        loader: Loader = Servable,
        metrics: Metrics | None = None,
    ) -> None:
        self._models = {model.name: model for model in models}
        self._settings = settings
        self._loader = loader
        self._metrics = Metrics() if metrics is None else metrics
        self._versions: dict[str, dict[int, VersionState]] = {
            n: {} for n in self._models
        }
        self._unreadable: dict[str, str] = {}
        # One look at a time; requests only take the second lock, and never wait.
        self._poll_lock = threading.Lock()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Loads every model and begins to look for new versions.

        Raises:
            ServingError: if a model has no version that can be served.
            ConfigError: if a model has none at all, or a label stands for none.
        """
        self.poll()
        while _is_copied(self._versions) and not self._stop.wait(_START_LOOK_SECONDS):
            self.poll()
        for name, model in self._models.items():
            _require_available(model, self._versions[name])
        self._check_labels()
        seconds = self._settings.file_system_poll_wait_seconds
        if seconds > 0:
            self._thread = threading.Thread(
                target=self._poll_forever, name="tfgenai-versions", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Stops looking and gives every version up."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for states in self._versions.values():
            self._unload_all(states)

    def poll(self) -> None:
        """Looks for versions once, loads the new and gives up the old."""
        with self._poll_lock:
            for model in self._models.values():
                try:
                    self._poll_model(model, self._versions[model.name])
                except OSError as error:
                    # What is loaded goes on serving while its folder cannot be read.
                    if self._unreadable.get(model.name) != str(error):
                        _LOGGER.warning("model %s: %s", model.name, error)
                    self._unreadable[model.name] = str(error)
                else:
                    self._unreadable.pop(model.name, None)
            self._metrics.versions = self.available

    def reload(self, models: Sequence[ModelConfig]) -> None:
        """Serves other models, or the same ones by other policies and labels.

        New models are loaded before anything changes; if one cannot be served, nothing
        does.

        Args:
            models: all that is to be served from now on.

        Raises:
            ServingError: FAILED_PRECONDITION if a new model has no version that can be
                served, or a label stands for a version that is not; such a model keeps
                the labels that it had.
        """
        with self._poll_lock:
            before = self._models
            fresh: dict[str, dict[int, VersionState]] = {}
            try:
                for model in models:
                    known = before.get(model.name)
                    if known is None or known.base_path != model.base_path:
                        states = fresh[model.name] = {}
                        self._load_first(model, states)
            except BaseException:
                for states in fresh.values():
                    self._unload_all(states)
                raise
            with self._lock:
                old, available = self._versions, self._versions | fresh
                self._versions = {m.name: available[m.name] for m in models}
                self._models = {m.name: m for m in models}
            for name, states in old.items():
                if self._versions.get(name) is not states:
                    self._unload_all(states)
        self.poll()
        self._keep_labels(before)

    def _load_first(self, model: ModelConfig, states: dict[int, VersionState]) -> None:
        try:
            self._poll_model(model, states)
            while _is_copied({model.name: states}) and not self._stop.wait(
                _START_LOOK_SECONDS
            ):
                self._poll_model(model, states)
            _require_available(model, states)
        except (OSError, ConfigError) as error:
            raise ServingError(
                f"A folder of versions for model {model.name!r} was expected. "
                f"Received: base_path={model.base_path!r} ({error}).",
                code="FAILED_PRECONDITION",
            ) from error

    def _keep_labels(self, before: Mapping[str, ModelConfig]) -> None:
        """Takes labels of versions that are not served back to what they were."""
        try:
            self._check_labels()
        except ConfigError as error:
            for name, versions in self.available.items():
                model = self._models[name]
                if set(model.version_labels.values()) <= set(versions):
                    continue
                labels = before[name].version_labels if name in before else {}
                kept = {k: v for k, v in labels.items() if v in versions}
                self._models[name] = dataclasses.replace(model, version_labels=kept)
            raise ServingError(str(error), code="FAILED_PRECONDITION") from error

    def find(
        self, name: str, *, version: int | None = None, label: str | None = None
    ) -> Servable:
        """The servable that a request asks for.

        Args:
            name: the model's name.
            version: the version's number, or None for the newest.
            label: a label of the model's configuration.

        Raises:
            ServingError: NOT_FOUND if no such version is served, INVALID_ARGUMENT if
                the label is unknown.
        """
        if not name:
            raise invalid("ModelSpec has no name specified.")
        if label:
            labels = self._models[name].version_labels if name in self._models else {}
            if label not in labels:
                raise invalid(f"Unrecognized servable version label: {label}")
            version = labels[label]
        with self._lock:
            served = {
                number: state.servable
                for number, state in self._versions.get(name, {}).items()
                if state.servable is not None
            }
        found = served.get(max(served, default=0) if version is None else version)
        if found is None:
            asked = (
                f"Latest({name})" if version is None else f"Specific({name}, {version})"
            )
            raise ServingError(
                f"Servable not found for request: {asked}", code="NOT_FOUND"
            )
        return found

    def acquire(
        self, name: str, *, version: int | None = None, label: str | None = None
    ) -> Servable:
        """Finds a servable as `find` does and keeps it open until it is released.

        Raises:
            ServingError: as `find`.
        """
        while True:
            servable = self.find(name, version=version, label=label)
            # It may be given up between the two calls; then a newer one is there.
            if servable.acquire():
                return servable

    def drift(self, name: str) -> Mapping[str, float]:
        """How far the outputs of a model's newest version are from its reference.

        Args:
            name: the model's name.

        Returns:
            Distances by score; none without a reference or enough answers.
        """
        try:
            watch = self.find(name).drift
        except ServingError:
            return {}
        return {} if watch is None else watch.distances()

    def states(self, name: str) -> list[VersionState]:
        """The versions of a model that its policy has asked for, newest first."""
        with self._lock:
            states = self._versions.get(name, {})
            return [
                states[number]
                for number in sorted(states, reverse=True)
                if states[number].is_known
            ]

    @property
    def names(self) -> list[str]:
        """The models' names."""
        return list(self._models)

    @property
    def available(self) -> dict[str, list[int]]:
        """The versions of each model that are served."""
        return {
            name: sorted(s.version for s in self.states(name) if s.servable)
            for name in self._models
        }

    def _poll_model(self, model: ModelConfig, states: dict[int, VersionState]) -> None:
        folders = version_folders(Path(model.base_path))
        with self._lock:
            for number in folders.keys() - states.keys():
                states[number] = VersionState(number)
        # A version that cannot be loaded does not count, so that the one before it
        # takes its place, or stays; hence the loop.
        while True:
            usable = {
                number
                for number, folder in folders.items()
                if states[number].is_usable(folder, self._settings)
            }
            aspired = model.version_policy.aspired(usable)
            new = [n for n in sorted(aspired, reverse=True) if not states[n].servable]
            if not new:
                break
            self._load(model, states[new[0]], folders[new[0]])
        served = {number for number, state in states.items() if state.servable}
        if aspired or not folders:
            for number in served - aspired:
                _LOGGER.info("model %s: version %d is given up", model.name, number)
                self._unload(states[number])

    def _load(self, model: ModelConfig, state: VersionState, folder: Path) -> None:
        state.state = State.LOADING
        start = time.perf_counter()
        try:
            servable = self._loader(model.name, state.version, folder, self._settings)
        except Exception as error:
            # Whatever a broken folder brings up, the other versions go on serving.
            _LOGGER.warning("model %s: %s", model.name, error)
            self._metrics.loaded(str(folder), "fail", time.perf_counter() - start)
            state.failed(error, self._settings)
            return
        self._metrics.loaded(str(folder), "success", time.perf_counter() - start)
        if servable.warmup_seconds is not None:
            self._metrics.warmed_up(str(folder), "OK", servable.warmup_seconds)
        if not state.looks_as_before(folder):
            servable.retire()
            state.state = State.START
            _LOGGER.info("model %s: version %d changed", model.name, state.version)
            return
        _LOGGER.info("model %s: version %d is served", model.name, state.version)
        with self._lock:
            state.loaded(servable)

    def _unload(self, state: VersionState) -> None:
        with self._lock:
            servable = state.unloaded()
        if servable is not None:
            servable.retire()

    def _unload_all(self, states: Mapping[int, VersionState]) -> None:
        for state in list(states.values()):
            self._unload(state)

    def _poll_forever(self) -> None:
        while not self._stop.wait(self._settings.file_system_poll_wait_seconds):
            try:
                self.poll()
            except Exception:
                _LOGGER.exception("looking for versions failed; it is tried again")

    def _check_labels(self) -> None:
        if self._settings.allow_version_labels_for_unavailable_models:
            return
        for name, versions in self.available.items():
            for label, version in self._models[name].version_labels.items():
                if version not in versions:
                    raise ConfigError(
                        f"A label of a version that is served, one of {versions}, was "
                        f"expected. Received: version_labels={{{label!r}: {version}}} "
                        f"of model {name!r}. Correct the label or set "
                        "--allow_version_labels_for_unavailable_models."
                    )


def _is_copied(versions: Mapping[str, Mapping[int, VersionState]]) -> bool:
    """Whether a model that is not served yet has a folder still being written."""
    return any(
        not any(state.servable for state in states.values())
        and any(state.is_settling for state in states.values())
        for states in versions.values()
    )


def _require_available(model: ModelConfig, states: Mapping[int, VersionState]) -> None:
    known = [states[number] for number in sorted(states) if states[number].is_known]
    if any(state.servable for state in known):
        return
    if not known:
        raise ConfigError(
            f"A version folder such as 1/ that the policy of model {model.name!r} asks "
            f"for was expected. Received: base_path={model.base_path!r} with the "
            f"versions {sorted(states)}. Export the model there, or change the policy."
        )
    reasons = "; ".join(f"version {s.version}: {s.message}" for s in reversed(known))
    raise ServingError(
        f"A version of model {model.name!r} that can be served was expected. Received: "
        f"base_path={model.base_path!r} ({reasons}).",
        code="FAILED_PRECONDITION",
    )
