"""How a diffusion model is exported: sampler, cap, and a queue for each step count."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfgenai.core.signatures import Signature, generation_signatures
from tfgenai.diffusion.guidance import Guidance
from tfgenai.diffusion.samplers import Sampler
from tfgenai.diffusion.sampling import MAX_NUM_STEPS, Sampling
from tfgenai.diffusion.signatures import (
    BUCKET_NAME,
    SharedGraph,
    bucket_signature,
    denoise_step_signature,
    image_to_image_signature,
    inpaint_signature,
)

DEFAULT_STEP_BUCKETS = (10, 25)
# The hard cap of an export whose sampler takes fewer steps by default.
USUAL_MAX_NUM_STEPS = 50


class Serving(Sampling):
    """The part of `DiffusionModel` that is exported."""

    def serving_options(  # type: ignore[override]  # those that there are
        self,
        *,
        sampler: str | Sampler | None = None,
        num_steps: int | None = None,
        guidance: Guidance | None = None,
        max_num_steps: int | None = None,
        step_buckets: Sequence[int] | None = None,
    ) -> dict[str, Any]:
        """What an export is made with; see `export_serving`.

        Returns:
            All of them, with the defaults filled in; `num_steps` is the sampler's, and
            a guidance of None is the model's.

        Raises:
            ValueError: if the sampler or the guidance does not fit the model, the cap
                is below the sampler's own steps, or a bucket is not below the cap.
            TypeError: if one is of another kind.
        """
        made, _ = self.resolve(sampler, guidance)
        if num_steps is not None:
            changed = {**made.get_config(), "num_steps": num_steps}
            made, _ = self.resolve(type(made).from_config(changed), guidance)
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
        guidance = SharedGraph(own, self, [c.name for c in conditions])

        def sample(seeds: tf.Tensor, **rows: tf.Tensor) -> tf.Tensor:
            return self.sample_with(sampler, guidance, seeds, rows)

        signatures = generation_signatures(
            sample,
            conditions,
            output_name=self.output_name,
            image_shape=self.image_shape,
        )
        endpoint = (self, sampler, guidance, conditions)
        for limit in made["step_buckets"]:
            signatures[BUCKET_NAME.format(limit)] = bucket_signature(*endpoint, limit)
        signatures["denoise_step"] = denoise_step_signature(*endpoint)
        signatures["image_to_image"] = image_to_image_signature(*endpoint)
        if type(self).encode_data is Sampling.encode_data:
            signatures["inpaint"] = inpaint_signature(*endpoint)
        return signatures

    def export_serving(
        self,
        path: Any,
        *,
        sampler: str | Sampler | None = None,
        num_steps: int | None = None,
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
            num_steps: another number of steps for that sampler.
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
            "num_steps": num_steps,
            "guidance": guidance,
            "max_num_steps": max_num_steps,
            "step_buckets": step_buckets,
        }
        exported: Path = super().export_serving(  # type: ignore[misc]  # the model's
            path, serving_options=options, **kwargs
        )
        return exported


def _check_cap(value: Any, sampler: Sampler, num_timesteps: int | None) -> int:
    limit = num_timesteps or MAX_NUM_STEPS
    if value is None:
        return min(max(sampler.num_steps, USUAL_MAX_NUM_STEPS), limit)
    if not _is_count(value) or not sampler.num_steps <= value <= limit:
        raise ValueError(
            f"A cap from the sampler's own {sampler.num_steps} steps to {limit} was "
            f"expected. Received: max_num_steps={value!r}. To serve fewer steps, make "
            "them the default: num_steps=..."
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
