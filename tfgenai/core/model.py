"""GenerativeModel: step, seeds, averages, logs, files and exports of every family."""

import tfgenai.core.backend  # noqa: F401  # isort: skip

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfgenai.core import random
from tfgenai.core.conditions import Condition
from tfgenai.core.ema import WeightAverage
from tfgenai.core.ema_decay import EMADecay, resolve_decay
from tfgenai.core.errors import CheckpointError
from tfgenai.core.fit_options import refuse_unsupported, runs_better_without_xla
from tfgenai.core.fitting import Fitting, refuse_lost_weights
from tfgenai.core.generation import Generation
from tfgenai.core.kept_rows import kept_rows

_EVALUATION_STREAM = 0x6576616C  # sets validation noise apart from training noise


@keras.saving.register_keras_serializable("tfgenai")
class GenerativeModel(Generation, Fitting):
    """Base of every generator: owns what is not mathematics.

    It owns the step counter, randomness, the averaged weights, loss trackers, optimizer
    state, config, `generate` and the export. A subclass writes:

    - `__init__`, which keeps every argument as an attribute of the same name, makes all
      networks with `dtype=self.dtype_policy` and ends with `self.finish_init()`;
    - `compute_losses(x, y, sample_weight, *, seed, training)`;
    - `sample(seeds, **conditions)`, a pure function of its arguments;
    - `averaged_weights()`, where sampling needs only a part of the networks;
    - `conditions()`, what a caller may say of each sample;
    - `get_config()`, exactly the constructor's arguments.

    Args:
        seed: seed of all noise drawn in training; int in [0, 2**63).
        ema_decay: decay of the averaged weights in (0, 1), an `EMADecay` such as
            `PowerDecay(0.1)`, or None for no average. The average is used by
            `evaluate`, `generate` and `export_serving`.
        name: name of the model.
        dtype: dtype policy or its name; `mixed_float16` and `mixed_bfloat16` keep
            weights, losses and averages in float32.

    Raises:
        ValueError: if `seed` or `ema_decay` is out of range.
    """

    loss_names: tuple[str, ...] = ("loss",)
    # Figures that `compute_losses(training=False)` returns besides: dear to compute.
    evaluation_names: tuple[str, ...] = ()
    optimizer_names: tuple[str, ...] = ("optimizer",)
    # Adapters and frozen variables: what was done to a model after it was made.
    adaptation: Any = None

    def __init__(
        self,
        *,
        seed: int = 0,
        ema_decay: float | EMADecay | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        decay = resolve_decay(ema_decay)
        super().__init__(name=name, dtype=dtype)
        self.seed = random.check_seed(seed)
        self.ema_decay = ema_decay
        self._decay = decay

    def finish_init(self) -> None:
        """Makes the base class's own state; the last line of every constructor."""

        def counter(name: str, value: int) -> keras.Variable:
            return self.add_weight(
                name=name,
                shape=(),
                dtype="int32",
                trainable=False,
                initializer=keras.initializers.Constant(value),
                aggregation="only_first_replica",
            )

        self.step = counter("step", 0)
        self.evaluation_step = counter("evaluation_step", 0)
        self.non_finite_step = counter("non_finite_step", -1)
        self.non_finite_loss = counter("non_finite_loss", -1)
        self.trackers = [
            keras.metrics.Mean(name=name)
            for name in (*self.loss_names, *self.evaluation_names)
        ]
        self._is_evaluating = False
        self.ema = WeightAverage(self, self.averaged_weights(), self._decay)
        self.built = True

    # ---- what a subclass writes ----------------------------------------------

    def compute_losses(
        self,
        x: tf.Tensor,
        y: tf.Tensor | None,
        sample_weight: tf.Tensor | None,
        *,
        seed: tf.Tensor,
        training: bool,
    ) -> dict[str, tf.Tensor]:
        """The losses of one batch.

        Args:
            x: data `(batch, ...)`.
            y: labels `(batch,)` or None.
            sample_weight: float32 `(batch,)` or None.
            seed: int32 `(2,)`, seed of this step on this replica.
            training: whether layers behave as in training.

        Returns:
            float32 scalars by the names in `loss_names`, and without `training` those
            in `evaluation_names`, each a mean over the batch; `loss` is what is
            minimised.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define compute_losses()."
        )

    def sample(self, seeds: tf.Tensor, **conditions: tf.Tensor) -> tf.Tensor:
        """Samples, as a pure function of the arguments, safe inside a graph.

        Args:
            seeds: int64 `(batch,)`, one seed a row.
            **conditions: one tensor `(batch, ...)` per entry of `conditions()`.

        Returns:
            float32 `(batch, ...)`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define sample().")

    def conditions(self) -> tuple[Condition, ...]:
        """What a caller may say of each sample; required ones and knobs."""
        return ()

    def averaged_weights(self) -> list[keras.Variable]:
        """The weights that the EMA averages; default: all."""
        return self.weights

    def optimized_variables(self, optimizer_name: str) -> list[keras.Variable]:
        """The variables that the optimizer of that name moves."""
        return self.trainable_variables

    def batch_weight(self, x: Any) -> tf.Tensor:
        """How much a batch counts in means over batches and replicas.

        Args:
            x: what `scaled` and `finish_step` were given: the replica's data.

        Returns:
            float32 scalar; here the number of rows.
        """
        return tf.cast(tf.shape(keras.tree.flatten(x)[0])[0], tf.float32)

    def undecayed_variables(self) -> list[keras.Variable]:
        """The variables that no optimizer's weight decay shrinks; here none."""
        return []

    def default_optimizers(self) -> dict[str, Any]:
        """Optimizers used by `compile()` where the user names none."""
        return dict.fromkeys(self.optimizer_names, "adam")

    # ---- compile -------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = None,
        *,
        jit_compile: bool | str = "auto",
        steps_per_execution: int | str = "auto",
        run_eagerly: bool = False,
        **optimizers: Any,
    ) -> None:
        """Sets the optimizers; the loss is part of the model, not of `compile`.

        Args:
            optimizer: name or Keras optimizer; for several, the main one.
            jit_compile: whether steps are compiled by XLA. `"auto"`: yes, unless there
                are several replicas or `run_eagerly`, or the model convolves or is a
                wide transformer on a CPU, where XLA is slower than TensorFlow's own
                kernels.
            steps_per_execution: training steps per call of the train function. With
                XLA they run inside one compiled loop. `"auto"`: up to 32, or 1 when a
                callback of the user listens to single batches.
            run_eagerly: runs Python step by step, for debugging.
            **optimizers: the others, by the names in `optimizer_names`.

        Raises:
            TypeError: if an argument is unknown, such as `loss`.
            ValueError: if an option cannot work, with the way out.
        """
        for name in optimizers:
            if name not in self.optimizer_names:
                raise TypeError(
                    f"The optimizers {self.optimizer_names} were expected. Received: "
                    f"{name}={optimizers[name]!r}. The loss of a "
                    f"{type(self).__name__} is an argument of its constructor; "
                    "metrics come from tfgenai.evaluate."
                )
        given = {**optimizers, "optimizer": optimizer}
        resolved = {
            name: keras.optimizers.get(given.get(name) or default)
            for name, default in self.default_optimizers().items()
        }
        replicas = self.distribute_strategy.num_replicas_in_sync
        refuse_unsupported(resolved, replicas, jit_compile, steps_per_execution)
        self._compile_arguments = {
            "jit_compile": jit_compile,
            "steps_per_execution": steps_per_execution,
            "run_eagerly": run_eagerly,
        }
        if jit_compile == "auto":
            jit_compile = (
                replicas == 1 and not run_eagerly and not runs_better_without_xla(self)
            )
        super().compile(
            optimizer=resolved["optimizer"],
            jit_compile=jit_compile,
            steps_per_execution=(
                1 if steps_per_execution == "auto" else steps_per_execution
            ),
            run_eagerly=run_eagerly,
        )
        for name in self.optimizer_names[1:]:
            other = resolved[name]
            # Keras wraps the main optimizer only.
            if self.dtype_policy.name == "mixed_float16" and not isinstance(
                other, keras.optimizers.LossScaleOptimizer
            ):
                other = keras.optimizers.LossScaleOptimizer(
                    other, name=f"scaled_{name}"
                )
            setattr(self, name, other)
        for name in self.optimizer_names:
            made = getattr(self, name)
            _keep_from_decay(made, self.undecayed_variables())
            # An optimizer without variables silently loses its state on load.
            made.build(self.optimized_variables(name))

    def get_compile_config(self) -> dict[str, Any]:
        """What the user gave to `compile`, so that a loaded model is compiled alike."""
        if not self.compiled:
            return {}
        config = dict(self._compile_arguments)
        for name in self.optimizer_names:
            optimizer = getattr(self, name)
            if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
                optimizer = optimizer.inner_optimizer
            config[name] = keras.saving.serialize_keras_object(optimizer)
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles from what `get_compile_config` returned."""
        self.compile(
            **{
                key: keras.saving.deserialize_keras_object(value)
                if isinstance(value, dict)
                else value
                for key, value in config.items()
            }
        )

    # ---- training ------------------------------------------------------------

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One step of one optimizer; families with several write their own."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        seed = self.step_seed()
        with tf.GradientTape() as tape:
            with random.seed_scope(seed):
                losses = self.compute_losses(
                    x, y, sample_weight, seed=seed, training=True
                )
            total = losses["loss"]
            for extra in self.losses:
                total += tf.cast(extra, tf.float32)
            total = self.scaled(self.optimizer, total, x)
        self.minimize(self.optimizer, tape, total, self.trainable_variables)
        return self.finish_step(losses, x)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The losses of one batch, without a step; its noise depends on its place."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        seed = random.fold(
            random.step_seed(self.seed, self.evaluation_step.value, self._replica_id()),
            _EVALUATION_STREAM,
        )
        with random.seed_scope(seed):
            losses = self.compute_losses(x, y, sample_weight, seed=seed, training=False)
        self.evaluation_step.assign_add(1)
        return self._update_trackers(losses, x)

    def step_seed(self) -> tf.Tensor:
        """Seed of this step on this replica, int32 `(2,)`."""
        return random.step_seed(self.seed, self.step.value, self._replica_id())

    def scaled(
        self, optimizer: keras.optimizers.Optimizer, loss: tf.Tensor, x: Any
    ) -> tf.Tensor:
        """The loss as the optimizer needs it.

        Gradients are summed over replicas, so a replica's mean loss is weighted by its
        share of the global batch, which also makes uneven last batches exact; float16
        needs its loss scale on top.

        Args:
            optimizer: the one that will take the gradients.
            loss: float32 scalar, mean over the replica's batch.
            x: the replica's data, for its weight.
        """
        if self.distribute_strategy.num_replicas_in_sync > 1:
            size = self.batch_weight(x)
            context = tf.distribute.get_replica_context()
            total = context.all_reduce(tf.distribute.ReduceOp.SUM, size)
            loss = loss * tf.math.divide_no_nan(size, total)
        return optimizer.scale_loss(loss)

    def minimize(
        self,
        optimizer: keras.optimizers.Optimizer,
        tape: tf.GradientTape,
        loss: tf.Tensor,
        variables: Sequence[keras.Variable],
    ) -> list[tf.Tensor]:
        """Moves `variables` down the gradient of the scaled loss; returns gradients.

        Rows of a table that are to stay, see `KeepOldRows`, stay.
        """
        gradients = [
            # The norm of rows that stand there twice is not that of their sum.
            tf.convert_to_tensor(each) if isinstance(each, tf.IndexedSlices) else each
            for each in tape.gradient(loss, [v.value for v in variables])
        ]
        with kept_rows(variables):
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return gradients

    def finish_step(self, losses: Mapping[str, tf.Tensor], x: Any) -> dict[str, Any]:
        """Averages weights, counts the step, feeds the trackers; returns the logs."""
        self._note_non_finite(losses)
        self.ema.update()
        self.step.assign_add(1)
        return self._update_trackers(losses, x)

    def _note_non_finite(self, losses: Mapping[str, tf.Tensor]) -> None:
        values = tf.stack([losses[name] for name in self.loss_names])
        bad = ~tf.math.is_finite(values)
        first = tf.reduce_any(bad) & (self.non_finite_step.value < 0)
        which = tf.argmax(tf.cast(bad, tf.int32), output_type=tf.int32)
        self.non_finite_loss.assign(tf.where(first, which, self.non_finite_loss.value))
        self.non_finite_step.assign(
            tf.where(first, self.step.value, self.non_finite_step.value)
        )

    def _update_trackers(
        self, losses: Mapping[str, tf.Tensor], x: Any
    ) -> dict[str, Any]:
        size = self.batch_weight(x)
        for tracker in self.trackers:
            if tracker.name not in losses:
                continue  # a figure of evaluation only
            value = losses[tracker.name]
            if self.distribute_strategy.num_replicas_in_sync > 1:
                # A replica may get no rows of the last batch; its mean is NaN.
                value = tf.where(size > 0, value, 0.0)
            tracker.update_state(value, sample_weight=size)
        logs = self.get_metrics_result()
        if _is_multi_worker(self.distribute_strategy):
            # Keras reduces logs over workers along axis 0, which a scalar lacks.
            logs = {name: tf.reshape(value, (1,)) for name, value in logs.items()}
        return logs

    def get_metrics_result(self) -> dict[str, Any]:
        """The logs: losses, and in evaluation what is measured there only."""
        logs = super().get_metrics_result()
        if self._is_evaluating:
            return logs
        return {k: v for k, v in logs.items() if k not in self.evaluation_names}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss trackers; Keras's own, which nobody would feed, is left out."""
        return list(self.trackers)

    def _replica_id(self) -> Any:
        context = tf.distribute.get_replica_context()
        return 0 if context is None else context.replica_id_in_sync_group

    # ---- evaluation and export -----------------------------------------------

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluates as `keras.Model.evaluate`, with the averaged weights.

        The noise depends only on seed and batch number: two runs give equal figures.

        Raises:
            ValueError: if weights come without labels.
        """
        call = inspect.signature(super().evaluate).bind(*args, **kwargs).arguments
        refuse_lost_weights(call)
        self.check_data(call.get("x"), "x")
        self.evaluation_step.assign(0)
        self._is_evaluating = True
        try:
            with self.ema.applied():
                return super().evaluate(*args, **kwargs)
        finally:
            self._is_evaluating = False

    def export_serving(self, path: Any, **kwargs: Any) -> Path:
        """Writes a SavedModel for TensorFlow Serving; see `tfgenai.export`.

        Args:
            path: the model's folder; the export is `<path>/<version>/`.
            **kwargs: passed on to `tfgenai.export.export_saved_model`.

        Returns:
            Path of the version folder.
        """
        from tfgenai.export import export_saved_model

        return export_saved_model(self, path, **kwargs)

    # ---- presets and config --------------------------------------------------

    def save_to_preset(self, path: Any, **kwargs: Any) -> Path:
        """Writes config and weights to a folder; see `core.presets.save_to_preset`."""
        from tfgenai.core.presets import save_to_preset

        return save_to_preset(self, path, **kwargs)

    @classmethod
    def from_preset(cls, path: Any) -> Any:
        """Makes a model from a preset folder; see `core.presets.from_preset`.

        Raises:
            CheckpointError: if the preset is damaged or holds another class.
        """
        from tfgenai.core.presets import from_preset

        model = from_preset(path)
        if not isinstance(model, cls):
            raise CheckpointError(
                f"A preset of {cls.__name__} was expected. Received: path={path!r}, a "
                f"{type(model).__name__}. Load it with {type(model).__name__}."
            )
        return model

    def get_config(self) -> dict[str, Any]:
        """The base class's constructor arguments; subclasses add theirs.

        A model that was changed since it was made says so under `adaptation`.
        """
        config: dict[str, Any] = {
            "name": self.name,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "seed": self.seed,
            "ema_decay": (
                keras.saving.serialize_keras_object(self.ema_decay)
                if isinstance(self.ema_decay, EMADecay)
                else self.ema_decay
            ),
        }
        if self.adaptation is not None:
            config["adaptation"] = keras.saving.serialize_keras_object(self.adaptation)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Makes a model from `get_config()`; nested Keras objects are revived."""
        revived = {
            key: keras.saving.deserialize_keras_object(
                value, custom_objects=custom_objects
            )
            if isinstance(value, dict) and "class_name" in value
            else value
            for key, value in config.items()
        }
        adaptation = revived.pop("adaptation", None)
        model = cls(**revived)
        if adaptation is not None:
            adaptation.apply(model)
        return model


def _keep_from_decay(
    optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]
) -> None:
    # Keras does not save this with the optimizer, so the model says it at each compile.
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    chosen_by_user = hasattr(inner, "_exclude_from_weight_decay")
    if variables and not chosen_by_user and not inner.built:
        inner.exclude_from_weight_decay(var_list=list(variables))


def _is_multi_worker(strategy: tf.distribute.Strategy) -> bool:
    return (
        isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        and strategy.extended._in_multi_worker_mode()
    )
