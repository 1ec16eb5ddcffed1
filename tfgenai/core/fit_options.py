"""What stands around `fit`: refusals, data options, and the guard against NaN."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgenai.core.compiled_loop import CompiledLoop
from tfgenai.core.errors import NonFiniteLossError

_STEPS_PER_LOOP = 32


class FitGuard(keras.callbacks.Callback):
    """Stops `fit` on a loss that is not finite; added to every run, after all others.

    Args:
        callbacks: the user's callbacks; the last one with an attribute
            `last_checkpoint` names the way back.
    """

    def __init__(self, callbacks: Sequence[Any]) -> None:
        super().__init__()
        self._others = list(callbacks)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Tells the compiled loop that an epoch begins."""
        if isinstance(self.model.train_function, CompiledLoop):
            self.model.train_function.start_epoch()

    def on_train_batch_end(
        self, batch: int, logs: Mapping[str, Any] | None = None
    ) -> None:
        """Looks at the logs, and at the model's own note only if they are bad."""
        if not logs or np.isfinite(list(logs.values())).all():
            return
        step = int(self.model.non_finite_step.numpy())
        if step < 0:
            return  # a callback before this one has dealt with it
        name = self.model.loss_names[int(self.model.non_finite_loss.numpy())]
        checkpoint = None
        for callback in self._others:
            checkpoint = getattr(callback, "last_checkpoint", None) or checkpoint
        way_back = (
            f"The last good checkpoint is {str(checkpoint)!r}."
            if checkpoint
            else "There is no checkpoint: add tfgenai.train.Backup to the callbacks."
        )
        raise NonFiniteLossError(
            f"A finite loss was expected. Received: {name} is NaN or infinite at step "
            f"{step}. {way_back} Lower the learning rate, clip gradients, or let "
            "tfgenai.train.NaNGuard(action='rollback') go back by itself.",
            step=step,
            loss_name=name,
            checkpoint=None if checkpoint is None else str(checkpoint),
        )


def automatic_steps_per_execution(
    callbacks: Sequence[Any], steps_per_epoch: int | None, *, compiled_loop: bool
) -> int:
    """Training steps per call when the user leaves the choice.

    Args:
        callbacks: the user's callbacks.
        steps_per_epoch: steps in an epoch, or None when unknown.
        compiled_loop: whether they will run in a `CompiledLoop`, which may end an
            epoch with a short chunk; Keras's own loop would run into the next one.

    Returns:
        1 when a callback listens to single batches; otherwise up to 32, in chunks as
        even as possible, or of a number that divides the epoch for Keras's loop.
    """
    if any(_listens_to_batches(callback) for callback in callbacks):
        return 1
    if not steps_per_epoch:
        return _STEPS_PER_LOOP if compiled_loop else 1
    if compiled_loop:
        chunks = -(-steps_per_epoch // _STEPS_PER_LOOP)
        return -(-steps_per_epoch // chunks)
    sizes = range(1, min(_STEPS_PER_LOOP, steps_per_epoch) + 1)
    return max(size for size in sizes if steps_per_epoch % size == 0)


def convolves_on_cpu(model: keras.Model) -> bool:
    """Whether a model has convolutions and this machine has no GPU."""
    if tf.config.list_physical_devices("GPU"):
        return False
    return any("Conv" in type(layer).__name__ for layer in model._flatten_layers())


def runs_better_without_xla(model: keras.Model) -> bool:
    """Whether this machine has no GPU and a layer is slower compiled than not.

    These are convolutions, and layers that say so by a true `slower_under_xla`: wide
    matrix products, which TensorFlow's own kernels compute at a higher rate.
    """
    if tf.config.list_physical_devices("GPU"):
        return False
    return convolves_on_cpu(model) or any(
        getattr(layer, "slower_under_xla", False) for layer in model._flatten_layers()
    )


def refuse_unsupported(
    optimizers: Mapping[str, keras.optimizers.Optimizer],
    num_replicas: int,
    jit_compile: bool | str,
    steps_per_execution: int | str,
) -> None:
    """Refuses in `compile` what cannot work later.

    Raises:
        ValueError: with the reason and the way out.
    """
    for name, optimizer in optimizers.items():
        if type(optimizer).__name__ == "MultiOptimizer":
            raise ValueError(
                f"One optimizer was expected. Received: {name}=MultiOptimizer, which "
                "applies gradients of all variables at once. Give each optimizer by "
                "its own name."
            )
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        if getattr(inner, "use_ema", False):
            raise ValueError(
                f"An optimizer without its own average was expected. Received: {name} "
                "with use_ema=True, which overwrites the weights when fit ends. Use "
                "the model's ema_decay instead."
            )
        waits = getattr(inner, "gradient_accumulation_steps", None)
        if waits and num_replicas > 1:
            raise ValueError(
                "With several replicas an optimizer that moves at every step was "
                f"expected. Received: {name} with gradient_accumulation_steps={waits} "
                f"on {num_replicas} replicas, which Keras cannot run. Leave it out: "
                "the gradients of all replicas already are one step."
            )
    seen = [id(optimizer) for optimizer in optimizers.values()]
    if len(set(seen)) != len(seen):
        raise ValueError(
            f"One optimizer object per name was expected. Received: the same object "
            f"for {list(optimizers)}. Make one each."
        )
    if steps_per_execution == "auto":
        return
    if not isinstance(steps_per_execution, int) or steps_per_execution < 1:
        raise ValueError(
            "A positive number of steps or 'auto' was expected. Received: "
            f"steps_per_execution={steps_per_execution!r}."
        )
    if steps_per_execution > 1 and num_replicas > 1:
        raise ValueError(
            "With several replicas one step per execution was expected. Received: "
            f"steps_per_execution={steps_per_execution} on {num_replicas} replicas, "
            "which Keras cannot run. Leave it out."
        )


def without_autotune(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Switches tf.data's autotuner off, unless the user has set it.

    Destroying an iterator waits for the autotuner's thread, which sleeps up to a
    minute: `fit` would return long after its last step.
    """
    if dataset.options().autotune.enabled is not None:
        return dataset
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _listens_to_batches(callback: Any) -> bool:
    base = keras.callbacks.Callback
    if type(callback).__module__.startswith("keras."):
        return False  # Keras's own work with any steps_per_execution
    if getattr(callback, "works_on_chunks", False):
        return False
    return any(
        getattr(type(callback), method, None) is not getattr(base, method)
        for method in (
            "on_train_batch_begin",
            "on_train_batch_end",
            "on_batch_begin",
            "on_batch_end",
        )
    )
