"""Weights of samples by their reward, for fine-tuning on the better ones."""

from typing import Any

import numpy as np


def reward_weights(rewards: Any, *, temperature: float = 1.0) -> np.ndarray:
    """Weights exp(reward / temperature), scaled to a mean of 1.

    With them as `sample_weight`, `fit` on samples of the model is reward-weighted
    regression: Peters & Schaal 2007, "Reinforcement Learning by Reward-Weighted
    Regression for Operational Space Control"; Lee et al. 2023, "Aligning Text-to-Image
    Models using Human Feedback", arXiv:2302.12192, whose second term is what
    `with_prior` adds. The law of the samples is so multiplied by the weights: where
    rewards are normal, a temperature of their standard deviation moves their mean up by
    one standard deviation.

    Args:
        rewards: finite numbers `(n,)`, better is higher.
        temperature: above 0, in units of the reward; low favours the very best.

    Returns:
        float32 `(n,)`.

    Raises:
        ValueError: if a reward is not finite, or the temperature not above 0.

    Example:
        >>> reward_weights([0.0, np.log(3.0)]).tolist()
        [0.5, 1.5]
    """
    values = np.asarray(rewards, np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(
            "Finite rewards (n,) were expected. Received: rewards of shape "
            f"{values.shape}, {int((~np.isfinite(values)).sum())} of them not finite."
        )
    if not temperature > 0.0:
        raise ValueError(
            f"A temperature above 0 was expected. Received: {temperature=}."
        )
    powers = np.exp((values - values.max()) / temperature)
    return (powers / powers.mean()).astype(np.float32)
