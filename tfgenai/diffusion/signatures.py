"""The endpoints of a diffusion model besides `generate`: buckets, steps and edits."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfgenai.core.conditions import Condition
from tfgenai.core.signatures import SEED, Signature, row_signature
from tfgenai.diffusion import edits
from tfgenai.diffusion.guidance import Guidance
from tfgenai.diffusion.levels import Level, expand
from tfgenai.diffusion.samplers import Sampler
from tfgenai.diffusion.samplers.sampler import advance
from tfgenai.diffusion.sampling import NUM_STEPS, Sampling
from tfgenai.layers.adapters import shared_graph

BUCKET_NAME = "generate_up_to_{}_steps"

_DEFAULT_STRENGTH = 0.6

Rows = dict[str, tf.Tensor]


class SharedGraph(Guidance):
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

        self._estimate = shared_graph(estimate)

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
        self._predict = shared_graph(model.predict_output)

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


def bucket_signature(
    model: Sampling,
    sampler: Sampler,
    guidance: Guidance,
    conditions: Sequence[Condition],
    limit: int,
) -> Signature:
    """Samples in few steps: `generate_advanced` with a cap of its own."""
    capped = [
        dataclasses.replace(c, maximum=limit, default=min(c.default, limit))
        if c.name == NUM_STEPS
        else c
        for c in conditions
    ]

    def answer(rows: Rows) -> dict[str, tf.Tensor]:
        seeds = rows.pop(SEED.name)
        return {model.output_name: model.sample_with(sampler, guidance, seeds, rows)}

    return row_signature(
        answer,
        [SEED, *capped],
        f"Samples from seeds in at most {limit} steps, with every knob.",
    )


def denoise_step_signature(
    model: Sampling,
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


def inpaint_signature(
    model: Sampling,
    sampler: Sampler,
    guidance: Guidance,
    conditions: Sequence[Condition],
) -> Signature:
    """The masked part of given data made anew; see `edits.inpaint`."""
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


def image_to_image_signature(
    model: Sampling,
    sampler: Sampler,
    guidance: Guidance,
    conditions: Sequence[Condition],
) -> Signature:
    """Variations of given data; see `edits.image_to_image`."""
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


def _data_condition(model: Sampling) -> Condition:
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
