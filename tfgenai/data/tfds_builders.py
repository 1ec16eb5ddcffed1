"""TFDS builders: found by name, prepared at once or refused within seconds."""

import contextlib
import difflib
import os
import pathlib
import queue
import socket
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from tfgenai.core.errors import DataError, DataNotFoundError

PROBE_SECONDS = 4.0  # for all hosts together; name resolution included


def default_data_dir() -> pathlib.Path:
    """Where TFDS keeps its sets: `TFDS_DATA_DIR`, else `~/tensorflow_datasets`."""
    folder = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return pathlib.Path(folder).expanduser()


def is_known(name: str) -> bool:
    """Whether TFDS has a set of that name; its `/config` and `:version` are ignored."""
    return _base(name) in _names()


def nearest_names(name: str, others: list[str]) -> list[str]:
    """Up to three known names that look like `name`, of TFDS and of `others`."""
    return difflib.get_close_matches(_base(name), [*others, *_names()], n=3)


def get_builder(name: str, data_dir: Any = None) -> Any:
    """Makes the builder of a set; nothing is downloaded.

    Args:
        name: TFDS name, with `/config` and `:version` if wanted.
        data_dir: folder of prepared sets; None for `default_data_dir()`.

    Raises:
        DataNotFoundError: if TFDS has no such set, configuration or version.
    """
    import tensorflow_datasets as tfds

    folder = pathlib.Path(data_dir).expanduser() if data_dir else default_data_dir()
    if not is_known(name):
        raise DataNotFoundError(
            f"The name of a TFDS set was expected. Received: name={name!r}. Near to "
            f"it: {nearest_names(name, [])}."
        )
    try:
        with quiet():
            return tfds.builder(name, data_dir=os.fspath(folder))
    except (tfds.core.DatasetNotFoundError, ValueError, AssertionError) as error:
        raise DataNotFoundError(
            "A TFDS set with a known configuration and version was expected. Received: "
            f"name={name!r} ({error}). Use {_base(name)!r} for its defaults."
        ) from error


def is_prepared(builder: Any) -> bool:
    """Whether the set can be read without further ado."""
    with quiet():  # TFDS warns of each folder that is not there yet
        return bool(builder.is_prepared())


def prepare(builder: Any) -> None:
    """Downloads and prepares a set unless that was done before.

    Raises:
        DataNotFoundError: if its files are not here and their hosts do not answer.
        DataError: if TFDS fails to download or prepare it.
    """
    if is_prepared(builder):
        return
    name = builder.info.full_name
    hosts = hosts_of_missing_files(builder)
    if hosts and not _any_reachable(hosts):
        raise DataNotFoundError(
            f"A prepared data set or a network was expected. Received: name={name!r}, "
            f"which is not in {os.fspath(data_dir_of(builder))!r}, and none of {hosts} "
            f"answers. Either go online and repeat, or get its original files and run "
            f"`tfgenai data import {builder.name} --from DIR`."
        )
    try:
        with quiet():
            builder.download_and_prepare()
    except Exception as error:  # TFDS raises whatever its builders come upon
        raise DataError(
            f"A data set that can be prepared was expected. Received: name={name!r}; "
            f"TFDS says: {type(error).__name__}: {error}. Repeat, or import its "
            f"original files: `tfgenai data import {builder.name} --from DIR`."
        ) from error


def cached_path(builder: Any, url: str) -> pathlib.Path:
    """Where TFDS looks for the file of `url` before it downloads it."""
    from tensorflow_datasets.core.download import resource

    name = resource.get_dl_fname(url, builder.url_infos[url].checksum)
    return data_dir_of(builder) / "downloads" / builder.name / name


def data_dir_of(builder: Any) -> pathlib.Path:
    """The folder of prepared sets that the builder was made for."""
    return pathlib.Path(builder.data_dir_root)


def hosts_of_missing_files(builder: Any) -> list[str]:
    """Hosts of the registered files that are not in the download cache."""
    from tensorflow_datasets.core.download import resource

    return sorted(
        {
            urllib.parse.urlsplit(url).netloc
            for url in builder.url_infos or {}
            if urllib.parse.urlsplit(url).netloc
            and not resource.is_locally_cached(cached_path(builder, url))
        }
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps TFDS's words off standard output, which may carry JSON."""
    from absl import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        logging.set_verbosity(before)


def _any_reachable(hosts: list[str]) -> bool:
    """Whether one of the hosts, or the proxy to them, takes a connection."""
    addresses = {
        _address(scheme, host) for host in hosts for scheme in ("https", "http")
    }
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def probe(address: tuple[str, int]) -> None:
        try:
            with socket.create_connection(address, timeout=PROBE_SECONDS):
                answers.put(True)
        except (OSError, UnicodeError):
            answers.put(False)

    # Threads, because looking a name up knows no timeout of its own.
    for address in addresses:
        threading.Thread(target=probe, args=(address,), daemon=True).start()
    deadline = time.monotonic() + PROBE_SECONDS
    for _ in addresses:
        try:
            if answers.get(timeout=max(deadline - time.monotonic(), 0.0)):
                return True
        except queue.Empty:
            return False
    return False


def _address(scheme: str, netloc: str) -> tuple[str, int]:
    host = urllib.parse.urlsplit(f"//{netloc}").hostname or netloc
    proxy = urllib.request.getproxies().get(scheme)
    if proxy and not urllib.request.proxy_bypass(host):
        parts = urllib.parse.urlsplit(proxy if "//" in proxy else f"//{proxy}")
        return parts.hostname or "", parts.port or 80
    return host, 443 if scheme == "https" else 80


def _base(name: str) -> str:
    return name.partition("/")[0].partition(":")[0]


def _names() -> list[str]:
    import tensorflow_datasets as tfds

    return tfds.list_builders(with_community_datasets=False)
