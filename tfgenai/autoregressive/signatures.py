"""What an autoregressive image model serves besides samples: score and complete."""

from typing import Any

import tensorflow as tf

from tfgenai.autoregressive.completion import hide_unknown
from tfgenai.core.conditions import Condition
from tfgenai.core.signatures import SEED, Signature, row_signature


def pixel_signatures(model: Any) -> dict[str, Signature]:
    """The endpoints `score` and `complete`, with `labels` where a model takes them.

    Args:
        model: a model with `image_shape`, `likelihood`, `label_conditions`,
            `conditions`, `log_prob` and `complete_rows`.

    Returns:
        Signatures by name.
    """
    images = Condition(
        "images",
        "float32",
        shape=model.image_shape,
        minimum=-1,
        maximum=1,
        description="images in [-1, 1]",
    )
    mask = Condition(
        "mask",
        "int32",
        shape=model.image_shape[:2],
        minimum=0,
        maximum=1,
        description="1 where a pixel is known and kept, 0 where it is drawn",
    )
    labels = model.label_conditions()
    knobs = [c for c in model.conditions() if c.is_knob]

    def outside(images: tf.Tensor) -> tf.Tensor:
        return tf.where(
            model.likelihood.supports(images),
            "",
            f"images: {model.likelihood.support} were expected, because there is no "
            "likelihood of others.",
        )

    def score(rows: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"log_prob": model.log_prob(rows.pop("images"), **rows)}

    def complete(rows: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        known, seeds = rows.pop("mask") > 0, rows.pop(SEED.name)
        return {"images": model.complete_rows(seeds, is_known=known, **rows)}

    return {
        "score": row_signature(
            score,
            (images, *labels),
            "Exact log p(x) in nats.",
            check=lambda rows: outside(rows["images"]),
        ),
        "complete": row_signature(
            complete,
            (images, mask, *labels, SEED),
            "Images whose unknown pixels are drawn in raster order.",
            left_out=knobs,
            check=lambda rows: outside(hide_unknown(rows["images"], rows["mask"] > 0)),
        ),
    }
