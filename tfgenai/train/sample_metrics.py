"""SampleMetrics: figures of the evaluation suite in the logs, to monitor a GAN by."""

from collections.abc import Sequence
from typing import Any

import keras

from tfgenai.evaluate import evaluate_samples


class SampleMetrics(keras.callbacks.Callback):
    """Measures samples against held-out images and logs it as `val_<metric>`.

    The losses of a GAN say nothing about its images; these figures do. They are meant
    for choosing among epochs, so give it validation images, never the test split. The
    same seeds are used each time. It must stand before callbacks that use its logs.

    Args:
        data: `(train, validation)` as `ImageArrays`, or validation images alone; see
            `tfgenai.evaluate.evaluate_samples`.
        metrics: names of metrics.
        features: extractor, as in `evaluate_samples`.
        num_samples: images to generate.
        seed: seed of the samples.
        every: epochs between measurements; the last epoch is always measured. In the
            others the logs are missing.

    Raises:
        ValueError: if a number is not positive.
    """

    def __init__(
        self,
        data: Any,
        *,
        metrics: Sequence[str] = ("kid",),
        features: Any = None,
        num_samples: int = 1000,
        seed: int = 0,
        every: int = 1,
    ) -> None:
        super().__init__()
        if num_samples < 1 or every < 1:
            raise ValueError(
                "num_samples >= 1 and every >= 1 were expected. Received: "
                f"num_samples={num_samples}, every={every}."
            )
        self.data = data
        self.metrics = tuple(metrics)
        self.features = features
        self.num_samples = num_samples
        self.seed = seed
        self.every = every

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measures, if it is the epoch's turn, and adds to the logs."""
        is_last = epoch + 1 == self.params.get("epochs")
        if logs is None or not (is_last or (epoch + 1) % self.every == 0):
            return
        report = evaluate_samples(
            self.model,
            self.data,
            num_samples=self.num_samples,
            seed=self.seed,
            metrics=self.metrics,
            features=self.features,
        )
        for name in self.metrics:
            logs[f"val_{name}"] = float(report[name].value)
