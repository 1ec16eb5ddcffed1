"""What preference tuning minimises, as functions of log-probabilities in nats.

A policy's implicit reward of an answer is `beta` times the logarithm of how much
likelier it is under the policy than under the reference.
"""

import tensorflow as tf


def dpo_loss(
    chosen: tf.Tensor,
    rejected: tf.Tensor,
    *,
    beta: float,
    label_smoothing: float = 0.0,
) -> tf.Tensor:
    """-log σ(β (h_chosen - h_rejected)).

    Rafailov et al. 2023, "Direct Preference Optimization", arXiv:2305.18290, equation
    7. With `label_smoothing` the pair is taken to be the other way round with that
    probability (Mitchell 2023, "A note on DPO with noisy preferences", equation 3).

    Args:
        chosen: float32 `(batch,)`, log p - log p_reference of the better answer, sums
            over its tokens in nats.
        rejected: likewise of the other.
        beta: how dear it is to leave the reference; positive.
        label_smoothing: in [0, 0.5).

    Returns:
        float32 `(batch,)`.

    Example:
        >>> loss = dpo_loss(tf.constant([1.0]), tf.constant([1.0]), beta=0.1)
        >>> round(float(loss[0]), 4)  # log 2
        0.6931
    """
    margin = beta * (chosen - rejected)
    right, wrong = tf.math.softplus(-margin), tf.math.softplus(margin)
    return (1.0 - label_smoothing) * right + label_smoothing * wrong


def ipo_loss(chosen: tf.Tensor, rejected: tf.Tensor, *, beta: float) -> tf.Tensor:
    """(h_chosen - h_rejected - 1 / (2 β))².

    Azar et al. 2023, "A General Theoretical Paradigm to Understand Learning from Human
    Preferences", arXiv:2310.12036, equation 17, with β for its τ and with sums over
    tokens: unlike DPO's margin, this one has an end. TRL divides log-probabilities by
    the number of tokens here, so that its β is not this one.

    Args:
        chosen: float32 `(batch,)`, log p - log p_reference of the better answer, nats.
        rejected: likewise of the other.
        beta: positive; the smaller, the larger the margin that is aimed at.

    Returns:
        float32 `(batch,)`.
    """
    return tf.square(chosen - rejected - 1.0 / (2.0 * beta))


def kto_loss(
    log_ratio: tf.Tensor,
    is_desirable: tf.Tensor,
    kl: tf.Tensor,
    *,
    beta: float,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> tf.Tensor:
    """λ (1 - σ(± β (h - z))), of single answers that were liked or not.

    Ethayarajh et al. 2024, "KTO: Model Alignment as Prospect Theoretic Optimization",
    arXiv:2402.01306, equation 8.

    Args:
        log_ratio: float32 `(batch,)`, h: log p - log p_reference of an answer, nats.
        is_desirable: bool `(batch,)`, whether it was liked.
        kl: float32 scalar, z: the divergence from the reference, not below 0, as the
            mean of h over answers to other requests; no gradient is taken of it.
        beta: how averse to risk; positive.
        desirable_weight: λ of what was liked.
        undesirable_weight: λ of what was not.

    Returns:
        float32 `(batch,)`.
    """
    difference = beta * (log_ratio - tf.stop_gradient(kl))
    signed = tf.where(is_desirable, difference, -difference)
    weight = tf.where(is_desirable, desirable_weight, undesirable_weight)
    return weight * (1.0 - tf.sigmoid(signed))
