"""What an export of a diffusion model answers: samples, single steps, and edits."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfgenai.core.conditions import Condition
from tfgenai.core.signatures import (
    SEED,
    Signature,
    generation_signatures,
    row_signature,
)
from tfgenai.diffusion import edits
from tfgenai.diffusion.guidance import Guidance
from tfgenai.diffusion.levels import Level, expand
from tfgenai.diffusion.samplers import Sampler
from tfgenai.diffusion.samplers.sampler import advance
from tfgenai.diffusion.sampling import MAX_NUM_STEPS, NUM_STEPS, Sampling

BUCKET_NAME = "generate_up_to_{}_steps"
DEFAULT_STEP_BUCKETS = (10, 25)
# The hard cap of an export whose sampler takes fewer steps by default.
USUAL_MAX_NUM_STEPS = 50

_DEFAULT_STRENGTH = 0.6

Rows = dict[str, tf.Tensor]


class Serving(Sampling):
    """The part of `DiffusionModel` that is exported."""

    def serving_options(  # type: ignore[override]  # those that there are
        self,
        *,
        sampler: str | Sampler | None = None,
        guidance: Guidance | None = None,
        max_num_steps: int | None = None,
        step_buckets: Sequence[int] | None = None,
    ) -> dict[str, Any]:
        """What an export is made with; see `export_serving`.

        Returns:
            All of them, with the defaults filled in; a guidance of None is the model's.

        Raises:
            ValueError: if the sampler or the guidance does not fit the model, the cap
                is below the sampler's own steps, or a bucket is not below the cap.
            TypeError: if one is of another kind.
        """
        made, _ = self.resolve(sampler, guidance)
        cap = _check_cap(max_num_steps, made, self.schedule.num_timesteps)
        return {
            "sampler": made,
            "guidance": guidance,
            "max_num_steps": cap,
            "step_buckets": _check_buckets(step_buckets, cap),
        }

    def serving_signatures(self, **options: Any) -> dict[str, Signature]:
        """The endpoints of an export, by name.

        A server merges the requests of one signature into batches, and a batch takes as
        long as the row with the most steps. So there is a signature, and with it a
        queue, for each of `step_buckets`: what asks for few steps does not wait for
        what asks for many.

        Args:
            **options: what `serving_options` takes.

        Returns:
            `generate`, `generate_advanced`, `generate_png` for images of 1, 3 or 4
            channels, `generate_up_to_<k>_steps` for each bucket, `denoise_step`,
            `image_to_image` and, where data are diffused as they are, `inpaint`.
        """
        made = self.serving_options(**options)
        sampler: Sampler = made["sampler"]
        own = self.guidance if made["guidance"] is None else made["guidance"]
        conditions = self.conditions_with(sampler, own, made["max_num_steps"])
        guidance = _SharedGraph(own, self, [c.name for c in conditions])

        def sample(seeds: tf.Tensor, **rows: tf.Tensor) -> tf.Tensor:
            return self.sample_with(sampler, guidance, seeds, rows)

        signatures = generation_signatures(
            sample,
            conditions,
            output_name=self.output_name,
            image_shape=self.image_shape,
        )
        for limit in made["step_buckets"]:
            signatures[BUCKET_NAME.format(limit)] = row_signature(
                lambda rows: {self.output_name: sample(rows.pop(SEED.name), **rows)},
                [SEED, *_capped(conditions, limit)],
                f"Samples from seeds in at most {limit} steps, with every knob.",
            )
        signatures["denoise_step"] = _denoise_step(self, sampler, guidance, conditions)
        signatures["image_to_image"] = _image_to_image(
            self, sampler, guidance, conditions
        )
        if type(self).encode_data is Sampling.encode_data:
            signatures["inpaint"] = _inpaint(self, sampler, guidance, conditions)
        return signatures

    def export_serving(
        self,
        path: Any,
        *,
        sampler: str | Sampler | None = None,
        guidance: Guidance | None = None,
        max_num_steps: int | None = None,
        step_buckets: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> Path:
        """Writes a SavedModel for TensorFlow Serving; see `tfgenai.export`.

        Args:
            path: the model's folder; the export is `<path>/<version>/`.
            sampler: sampler that is served, name or object; None for the model's own.
                Its `num_steps` is what `generate` takes.
            guidance: guidance that is served; None for the model's own.
            max_num_steps: the most steps that a request may ask for; None: 50, or the
                sampler's steps where those are more.
            step_buckets: numbers of steps below the cap, for each of which there is a
                signature `generate_up_to_<k>_steps`; None for those of 10 and 25 that
                are below it, () for none.
            **kwargs: passed on to `tfgenai.export.export_saved_model`.

        Returns:
            Path of the version folder.

        Raises:
            ValueError: if an option does not fit the model; see `serving_options`.
            ExportError: if the export is refused.
            StorageError: if the folder cannot be written to.
        """
        options = {
            "sampler": sampler,
            "guidance": guidance,
            "max_num_steps": max_num_steps,
            "step_buckets": step_buckets,
        }
        exported: Path = super().export_serving(  # type: ignore[misc]  # the model's
            path, serving_options=options, **kwargs
        )
        return exported


class _SharedGraph(Guidance):
    """A guidance whose graph is a function that all signatures call.

    With the network in each signature anew, and in each branch of the guidance, the
    graph of an export would be many times as large, and as long in the making.
    """

    def __init__(self, guidance: Guidance, model: Any, names: Sequence[str]) -> None:
        self._names = tuple(names)
        shared = _SharedNetwork(model)

        def estimate(
            x: tf.Tensor, level: Level, rows: Rows, previous: tf.Tensor
        ) -> tf.Tensor:
            return guidance.estimate(shared, x, level, rows, previous)

        self._estimate = tf.function(estimate, autograph=False)

    def estimate(
        self,
        model: Any,
        x: tf.Tensor,
        level: Level,
        rows: Mapping[str, tf.Tensor],
        previous: tf.Tensor,
    ) -> tf.Tensor:
        """See the base class."""
        needed = {name: rows[name] for name in self._names}
        return tf.ensure_shape(self._estimate(x, level, needed, previous), x.shape)


class _SharedNetwork:
    """A model whose network is one function of the graph."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._names = [condition.name for condition in model.data_conditions()]
        self._predict = tf.function(model.predict_output, autograph=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict_output(
        self,
        x: tf.Tensor,
        level: Level,
        rows: Mapping[str, tf.Tensor],
        kept: tf.Tensor,
        previous: tf.Tensor,
    ) -> tf.Tensor:
        """See `DiffusionModel.predict_output`."""
        needed = {name: rows[name] for name in self._names}
        output = self._predict(x, level, needed, kept, previous)
        return tf.ensure_shape(output, x.shape)


def _denoise_step(
    model: Serving,
    sampler: Sampler,
    guidance: Guidance,
    conditions: Sequence[Condition],
) -> Signature:
    """One step, for clients that show how a sample comes about.

    The state is x, the last data estimate and the sampler's own memory. It is all that
    a step needs, so that any replica can take it.
    """
    cap = next(c.maximum for c in conditions if c.name == NUM_STEPS)
    state = Condition(
        "state",
        "float32",
        shape=(2 + sampler.num_states, *model.data_shape),
        description="state that the step before answered; at step 0 it is not looked "
        "at, send zeros",
    )
    number = Condition(
        "step",
        "int32",
        minimum=0,
        maximum=cap,
        description="number of the step, from 0; a row that has taken all its steps "
        "stands still",
    )

    def step(rows: Rows) -> dict[str, tf.Tensor]:
        seeds, k = rows.pop(SEED.name), rows.pop(number.name)
        slots = tf.unstack(rows.pop(state.name), axis=1)
        num_steps = rows[NUM_STEPS]
        is_first = expand(k == 0, slots[0])
        x = tf.where(is_first, model.initial_x(sampler, seeds, num_steps), slots[0])
        x0, *states = (tf.where(is_first, 0.0, slot) for slot in slots[1:])
        x, x0, memory = advance(
            sampler,
            model.schedule,
            model.make_denoise(guidance, rows),
            (x, x0, tuple(states)),
            seeds,
            k,
            num_steps,
            tf.zeros_like(num_steps),
        )
        is_done = k + 1 >= num_steps
        return {
            state.name: tf.stack([x, x0, *memory], axis=1),
            model.output_name: model.decode_samples(
                tf.where(expand(is_done, x), x, x0), rows
            ),
            "is_done": is_done,
        }

    signature = row_signature(
        step,
        [SEED, number, state, *conditions],
        "One step of the sampler: the new state, and the data as they are estimated. "
        "Calling it with step = 0, 1, ... until is_done gives what generate gives.",
    )

    def answer(**values: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = signature.function(**values)
        # A loop that waits for all rows must not wait for one that was refused.
        is_done = outputs["is_done"] | (outputs["error"] != "")
        return {**outputs, "is_done": is_done}

    return dataclasses.replace(signature, function=answer)


def _inpaint(
    model: Serving,
    sampler: Sampler,
    guidance: Guidance,
    conditions: Sequence[Condition],
) -> Signature:
    shape = model.data_shape
    data = _data_condition(model)
    mask = Condition(
        "mask",
        "float32",
        shape=(*shape[:-1], 1) if len(shape) > 1 else shape,
        minimum=0.0,
        maximum=1.0,
        description="1 where new data are made, 0 where those given are kept; a "
        "mixture between",
    )

    def answer(rows: Rows) -> dict[str, tf.Tensor]:
        seeds, x = rows.pop(SEED.name), rows.pop(data.name)
        share = rows.pop(mask.name)
        made = edits.inpaint(model, sampler, guidance, seeds, rows, x, share)
        return {model.output_name: made}

    return row_signature(
        answer,
        [SEED, data, mask, *conditions],
        f"The {data.name} with the masked part made anew.",
    )


def _image_to_image(
    model: Serving,
    sampler: Sampler,
    guidance: Guidance,
    conditions: Sequence[Condition],
) -> Signature:
    data = _data_condition(model)
    strength = Condition(
        "strength",
        "float32",
        minimum=0.0,
        maximum=1.0,
        default=_DEFAULT_STRENGTH,
        description="share of the steps that are taken; 0 changes nothing, with 1 "
        "little or nothing is kept",
    )

    def answer(rows: Rows) -> dict[str, tf.Tensor]:
        seeds, x = rows.pop(SEED.name), rows.pop(data.name)
        share = rows.pop(strength.name)
        made = edits.image_to_image(model, sampler, guidance, seeds, rows, x, share)
        return {model.output_name: made}

    return row_signature(
        answer,
        [SEED, data, strength, *conditions],
        f"Variations of {data.name}: noise is added to them, and taken out again.",
    )


def _data_condition(model: Serving) -> Condition:
    """The data that a caller gives, named as those that come back."""
    if model.image_shape is None:
        return Condition(
            model.output_name,
            "float32",
            shape=model.data_shape,
            description="data in the range of the training data",
        )
    return Condition(
        model.output_name,
        "float32",
        shape=model.image_shape,
        minimum=-1,
        maximum=1,
        description="images in [-1, 1]",
    )


def _capped(conditions: Sequence[Condition], limit: int) -> list[Condition]:
    return [
        dataclasses.replace(c, maximum=limit, default=min(c.default, limit))
        if c.name == NUM_STEPS
        else c
        for c in conditions
    ]


def _check_cap(value: Any, sampler: Sampler, num_timesteps: int | None) -> int:
    limit = num_timesteps or MAX_NUM_STEPS
    if value is None:
        return min(max(sampler.num_steps, USUAL_MAX_NUM_STEPS), limit)
    if not _is_count(value) or not sampler.num_steps <= value <= limit:
        raise ValueError(
            f"A cap from the sampler's own {sampler.num_steps} steps to {limit} was "
            f"expected. Received: max_num_steps={value!r}. To serve fewer steps, make "
            f"them the default: sampler={type(sampler).__name__}(num_steps=...)."
        )
    return int(value)


def _check_buckets(value: Any, cap: int) -> list[int]:
    if value is None:
        return [limit for limit in DEFAULT_STEP_BUCKETS if limit < cap]
    fits = isinstance(value, Sequence) and all(_is_count(limit) for limit in value)
    if not fits or not all(1 <= limit < cap for limit in value):
        raise ValueError(
            f"Numbers of steps below the cap of {cap} were expected. Received: "
            f"step_buckets={value!r}. Use (10, 25), or () for none; "
            "generate_advanced takes requests of all numbers."
        )
    return sorted({int(limit) for limit in value})


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
