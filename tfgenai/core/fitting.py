"""`fit` of every family: what is checked, read and chosen before Keras's own loop."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core import allocator
from tfgenai.core.compiled_loop import CompiledLoop
from tfgenai.core.fit_options import (
    FitGuard,
    automatic_steps_per_execution,
    convolves_on_cpu,
    without_autotune,
)


class Fitting(keras.Model):
    """The part of `GenerativeModel` that stands around the training steps."""

    train_function: Any
    _steps_per_epoch: int | None = None

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Trains as `keras.Model.fit`, with its arguments.

        A dataset from `tfgenai.data.load` is read through its `for_epochs`, so that
        its order is a function of seed and epoch. A callback with a method
        `restore(model) -> int | None` is asked for the epoch to go on from before data
        is made. A loss that is not finite stops the run.

        Returns:
            `keras.callbacks.History`.

        Raises:
            NonFiniteLossError: if a loss became NaN or infinite; it names the step, the
                loss and the last checkpoint that a callback made.
            ValueError: if the strategy in scope is not the one of the model, the data
                have more classes than the model, or weights come without labels.
        """
        self._require_own_strategy()
        bound = inspect.signature(super().fit).bind(*args, **kwargs)
        call = bound.arguments
        refuse_lost_weights(call)
        self.check_data(call.get("x"), "x")
        self.check_data(call.get("validation_data"), "validation_data")
        callbacks = self._prepare_callbacks(call)
        _prepare_data(call)
        self._choose_steps_per_execution(callbacks, call.get("steps_per_epoch"))
        allocator.keep_temporary_memory()
        return super().fit(*bound.args, **bound.kwargs)

    def make_train_function(self, force: bool = False) -> None:
        """Makes the function that `fit` calls; see `core.compiled_loop`."""
        if self.train_function is not None and not force:
            return
        if self.steps_per_execution > 1 and self._can_loop():
            self.train_function = CompiledLoop(
                self.train_step,
                self.get_metrics_result,
                self.steps_per_execution,
                self._steps_per_epoch,
            )
        else:
            super().make_train_function(force=force)

    def _prepare_callbacks(self, call: dict[str, Any]) -> list[Any]:
        """Lets them restore, and adds the guard; returns the user's."""
        given = call.get("callbacks")
        if isinstance(given, keras.callbacks.CallbackList):
            return list(given.callbacks)  # the user's own list is left as it is
        if not isinstance(given, Sequence):
            given = [given] if given else []
        callbacks = list(given)
        for callback in callbacks:
            if hasattr(callback, "restore"):
                if hasattr(callback, "companions"):
                    callback.companions = callbacks  # their state is kept, too
                epoch = callback.restore(self)
                call["initial_epoch"] = epoch or call.get("initial_epoch", 0)
        call["callbacks"] = [*callbacks, FitGuard(callbacks)]
        return callbacks

    def _choose_steps_per_execution(
        self, callbacks: Sequence[Any], steps_per_epoch: int | None
    ) -> None:
        if not self.compiled:
            return  # Keras says so in its own words
        if self._compile_arguments["steps_per_execution"] == "auto":
            # Who asks for no XLA wants to watch single steps.
            one_by_one = (
                not self._compile_arguments["jit_compile"]
                or self.run_eagerly
                or self.distribute_strategy.num_replicas_in_sync > 1
            )
            self._set_steps_per_execution(
                1
                if one_by_one
                else automatic_steps_per_execution(
                    callbacks, steps_per_epoch, compiled_loop=self._can_loop()
                )
            )
        chunk = self.steps_per_execution
        if steps_per_epoch and steps_per_epoch % chunk and not self._can_loop():
            raise ValueError(
                f"A divisor of the {steps_per_epoch} steps in an epoch was expected, "
                "because they run in Keras's own loop. Received: "
                f"steps_per_execution={chunk}. Leave it out, and a divisor is chosen."
            )
        self._steps_per_epoch = steps_per_epoch
        if isinstance(self.train_function, CompiledLoop):
            self.train_function.steps_per_epoch = steps_per_epoch

    def _set_steps_per_execution(self, steps: int) -> None:
        if steps == self.steps_per_execution:  # type: ignore[has-type]
            return
        self.steps_per_execution = steps
        # Traced functions hold the old number: they would skip or repeat batches.
        self.train_function = self.test_function = self.predict_function = None

    def _can_loop(self) -> bool:
        # Inside a compiled loop XLA's CPU convolutions run a hundred times slower.
        return (
            bool(self.jit_compile)
            and self.distribute_strategy.num_replicas_in_sync == 1
            and not convolves_on_cpu(self)
        )

    def _maybe_symbolic_build(
        self, iterator: Any = None, data_batch: Any = None
    ) -> None:
        # Keras would run the model on a batch to make its variables, which exist; under
        # several workers its look at that batch fails.
        return

    def check_data(self, data: Any, name: str) -> None:
        """Refuses data that cannot be the model's, before they are read.

        Args:
            data: what `fit` or `evaluate` was given.
            name: the argument's name.

        Raises:
            ValueError: if it is clear that they do not fit.
        """
        names = getattr(getattr(data, "card", None), "class_names", None)
        num_classes = getattr(self, "num_classes", None)
        if names and num_classes is not None and len(names) > num_classes:
            raise ValueError(
                f"Data of the model's {num_classes} classes were expected. "
                f"Received: {name} of {len(names)} classes, {names[:10]}. Make the "
                f"model with num_classes={len(names)}."
            )

    def _require_own_strategy(self) -> None:
        own = self._distribute_strategy  # what Keras noted when the model was made
        current = tf.distribute.get_strategy() if tf.distribute.has_strategy() else None
        if current is not None and current is not own:
            raise ValueError(
                "A model is trained under the strategy that it was made under. "
                f"Received: strategy={type(current).__name__}, model made under "
                f"{type(own).__name__ if own else 'no strategy'}. Make and compile the "
                "model inside the scope."
            )


def refuse_lost_weights(call: Mapping[str, Any]) -> None:
    """Refuses weights without labels, which Keras drops without a word.

    Args:
        call: the arguments of `fit` or `evaluate`, by name.

    Raises:
        ValueError: if `sample_weight` is given and `y` is not.
    """
    if call.get("sample_weight") is not None and call.get("y") is None:
        raise ValueError(
            "Labels beside the weights were expected. Received: sample_weight with "
            "y=None, of which Keras drops the weights. Give labels, zeros where the "
            "model takes none, or a tf.data.Dataset of (x, y, sample_weight)."
        )


def _prepare_data(call: dict[str, Any]) -> None:
    """Asks the data for their epochs by number, and sets what tf.data needs."""
    data: Any = call.get("x")
    if hasattr(data, "for_epochs") and call.get("steps_per_epoch") is None:
        call["steps_per_epoch"] = data.steps_per_epoch
        epochs = data.for_epochs(call.get("initial_epoch", 0), call.get("epochs", 1))
        # Without an end: Keras counts a short last chunk as a full one, and would
        # believe that the data ran out.
        call["x"] = epochs.repeat()
    for name in ("x", "validation_data"):
        if isinstance(call.get(name), tf.data.Dataset):
            call[name] = without_autotune(call[name])
    if isinstance(call.get("x"), tf.data.Dataset):
        call["shuffle"] = False  # a dataset has its own order; Keras would warn
