"""Runners: who works through the chunks, processes of this machine or Apache Beam."""

import concurrent.futures
import importlib.util
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tqdm

from tfgenai.core.errors import ConfigError, DataError

RUNNERS = ("local", "direct", "flink", "spark", "dataflow")
_BEAM_NAMES = {
    "direct": "DirectRunner",
    "flink": "FlinkRunner",
    "spark": "SparkRunner",
    "dataflow": "DataflowRunner",
}


def run_tasks(
    task: Callable[[Any], int],
    items: Sequence[Any],
    *,
    what: str,
    num_shards: int = 1,
    runner: str = "local",
    options: Mapping[str, str] | None = None,
    is_quiet: bool = False,
) -> None:
    """Calls `task` with each item once, wherever that is.

    Args:
        task: a function that can be pickled; does nothing the second time.
        items: what it is called with.
        what: words for the progress bar.
        num_shards: processes that share the items.
        runner: "local", or a runner of Beam: "direct", "flink", "spark", "dataflow".
            All workers must see the folder that the task writes to.
        options: options of Beam by name, without their dashes.
        is_quiet: whether no progress is shown.

    Raises:
        ConfigError: if the runner is unknown or Beam is not installed.
        DataError: if a process died.
    """
    check_runner(runner, options)
    if runner != "local":
        _run_on_beam(task, items, runner, num_shards, options or {})
        return
    with tqdm.tqdm(total=len(items), desc=what, unit="chunk", disable=is_quiet) as bar:
        if num_shards == 1 or len(items) == 1:
            for item in items:
                task(item)
                bar.update()
            return
        # Spawned, not forked: the caller may have threads, TensorFlow's for example.
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(
            min(num_shards, len(items)), mp_context=context
        ) as pool:
            futures = [pool.submit(task, item) for item in items]
            try:
                for future in concurrent.futures.as_completed(futures):
                    future.result()
                    bar.update()
            except concurrent.futures.process.BrokenProcessPool as error:
                raise DataError(
                    "Processes that live until the end were expected. Received: one "
                    f"of num_shards={num_shards} was killed, perhaps for its memory. "
                    "Give fewer shards; what is done is kept."
                ) from error
            finally:
                for future in futures:
                    future.cancel()


def check_runner(runner: str, options: Mapping[str, str] | None = None) -> None:
    """Refuses what `run_tasks` could not do, before there is any work.

    Raises:
        ConfigError: if the runner is unknown, takes no options, or Beam is missing.
    """
    if runner not in RUNNERS:
        raise ConfigError(
            f"One of {list(RUNNERS)} was expected. Received: runner={runner!r}."
        )
    if runner == "local" and options:
        raise ConfigError(
            "Options were expected for a runner of Beam only. Received: "
            f"options={dict(options)} with runner='local'. Give --runner direct."
        )
    if runner != "local" and importlib.util.find_spec("apache_beam") is None:
        raise ConfigError(
            f"Apache Beam was expected for runner={runner!r}. Received: none. Install "
            "it with `pip install 'tfgenai[beam]'`, or leave the runner out."
        )


def _run_on_beam(
    task: Callable[[Any], int],
    items: Sequence[Any],
    runner: str,
    num_shards: int,
    options: Mapping[str, str],
) -> None:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    flags = [f"--{name}={value}" for name, value in options.items()]
    if runner == "direct" and "direct_num_workers" not in options:
        mode = "multi_processing" if num_shards > 1 else "in_memory"
        flags += [f"--direct_num_workers={num_shards}", f"--direct_running_mode={mode}"]
    with beam.Pipeline(
        runner=_BEAM_NAMES[runner], options=PipelineOptions(flags)
    ) as pipeline:
        _ = (
            pipeline
            | "chunks" >> beam.Create(list(items))
            | "spread" >> beam.Reshuffle()
            | "work" >> beam.Map(task)
        )
