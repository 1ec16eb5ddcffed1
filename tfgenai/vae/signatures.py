"""What autoencoders serve besides samples: encode, decode, reconstruct and score."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfgenai.core.conditions import Condition
from tfgenai.core.signatures import SEED, Signature, row_signature

NUM_SCORE_SAMPLES = 50


def latent_signatures(model: Any) -> dict[str, Signature]:
    """The endpoints `encode`, `decode`, `reconstruct` and `score`.

    Each takes `labels` besides where the model is conditional. `score` answers with an
    importance-weighted estimate of log p(x) by 50 samples, a function of the row's
    seed; images outside of the likelihood's support get an error.

    Args:
        model: a model with `image_shape`, `latent_dim`, `likelihood`,
            `label_condition`, `encode_mean`, `decode_mean`, `reconstruct_mean` and
            `log_marginal`.

    Returns:
        Signatures by name.
    """
    images = _images(model.image_shape)
    latents = Condition(
        "latents",
        "float32",
        shape=(model.latent_dim,),
        description="latents, such as encode returns",
    )
    labels = () if model.label_condition is None else (model.label_condition,)

    def signature(
        function: Callable[..., tf.Tensor],
        conditions: tuple[Condition, ...],
        output: str,
        description: str,
        check: Callable[..., tf.Tensor] | None = None,
    ) -> Signature:
        return row_signature(
            lambda rows: {output: function(rows)}, conditions, description, check=check
        )

    def in_support(rows: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.where(
            model.likelihood.supports(rows["images"]),
            "",
            f"images: {model.likelihood.support} were expected, because there is no "
            "likelihood of others.",
        )

    return {
        "encode": signature(
            lambda rows: model.encode_mean(rows["images"], rows.get("labels")),
            (images, *labels),
            "latents",
            "Posterior means of images.",
        ),
        "decode": signature(
            lambda rows: model.decode_mean(rows["latents"], rows.get("labels")),
            (latents, *labels),
            "images",
            "Expected images of latents.",
        ),
        "reconstruct": signature(
            lambda rows: model.reconstruct_mean(rows["images"], rows.get("labels")),
            (images, *labels),
            "images",
            "Images encoded and decoded again.",
        ),
        "score": signature(
            lambda rows: model.log_marginal(
                rows["images"], rows.get("labels"), rows["seed"], NUM_SCORE_SAMPLES
            ),
            (images, *labels, SEED),
            "log_prob",
            f"Estimates of log p(x) in nats, {NUM_SCORE_SAMPLES} importance samples.",
            in_support,
        ),
    }


def code_signatures(model: Any) -> dict[str, Signature]:
    """The endpoints `encode`, `decode` and `reconstruct` of a model of codes.

    Args:
        model: a model with `image_shape`, `code_shape`, `num_embeddings`,
            `encode_codes`, `decode_codes` and `reconstruct_codes`.

    Returns:
        Signatures by name.
    """
    images = _images(model.image_shape)
    codes = Condition(
        "codes",
        "int32",
        shape=model.code_shape,
        minimum=0,
        maximum=model.num_embeddings - 1,
        description="codes, such as encode returns",
    )
    return {
        "encode": row_signature(
            lambda rows: {"codes": model.encode_codes(rows["images"])},
            (images,),
            "Codes of images.",
        ),
        "decode": row_signature(
            lambda rows: {"images": model.decode_codes(rows["codes"])},
            (codes,),
            "Expected images of codes.",
        ),
        "reconstruct": row_signature(
            lambda rows: {"images": model.reconstruct_codes(rows["images"])},
            (images,),
            "Images encoded and decoded again.",
        ),
    }


def _images(image_shape: Sequence[int]) -> Condition:
    return Condition(
        "images",
        "float32",
        shape=tuple(image_shape),
        minimum=-1,
        maximum=1,
        description="images in [-1, 1]",
    )
