"""Which classes a classifier sees in generated images, and whether as asked."""

import numpy as np

from tfgenai.evaluate.features.image_set import ImageSet
from tfgenai.evaluate.metrics.metric import METRICS, Metric, MetricValue, RealImages
from tfgenai.evaluate.statistics import LEVEL, generator, wilson_interval


@METRICS.register("class_histogram")
class ClassHistogram(Metric):
    """Number of classes (modes) that generated images cover.

    A class counts when its share of the generated images is at least `min_share` of
    its share of the test images, so that single misclassified images make no mode.
    `details` hold both histograms and their total variation distance (0 = equal
    shares, 1 = no class in common).

    Args:
        min_share: the fraction, in (0, 1].
        num_bootstrap: replicates of the interval; 0 for no interval.
    """

    name = "class_histogram"
    title = "Classes covered"
    unit = "classes"
    better = "higher"
    needs = frozenset({"features", "probabilities"})

    def __init__(self, *, min_share: float = 0.1, num_bootstrap: int = 200) -> None:
        if not 0 < min_share <= 1:
            raise ValueError(
                f"min_share in (0, 1] was expected. Received: min_share={min_share}."
            )
        self.min_share = min_share
        self.num_bootstrap = num_bootstrap

    def __call__(
        self, samples: ImageSet, real: RealImages, *, seed: int = 0
    ) -> MetricValue:
        """Counts the classes of the generated images; see the class."""
        counts = _class_counts(samples)
        test = _class_counts(real.test)
        value = self._num_modes(counts, test)
        floor = None
        if real.floor is not None:
            floor = float(self._num_modes(_class_counts(real.floor), test))
        interval = None
        if self.num_bootstrap:
            drawn = generator(seed, "class_histogram").multinomial(
                counts.sum(), counts / counts.sum(), size=self.num_bootstrap
            )
            modes = [self._num_modes(row, test) for row in drawn]
            low, high = np.quantile(modes, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
            interval = (float(low), float(high))
        shares, test_shares = counts / counts.sum(), test / test.sum()
        return self.result(
            value,
            n=len(samples),
            seed=seed,
            interval=interval,
            floor=floor,
            extractor_hash=samples.extractor_hash,
            method=(
                f"A class counts from {self.min_share:g} of its share of the test "
                f"images on; bootstrap with {self.num_bootstrap} replicates."
            ),
            details={
                "histogram": counts.tolist(),
                "test_histogram": test.tolist(),
                "num_classes": len(counts),
                "total_variation": float(np.abs(shares - test_shares).sum() / 2),
                "min_share": self.min_share,
            },
        )

    def _num_modes(self, counts: np.ndarray, test: np.ndarray) -> int:
        shares, test_shares = counts / counts.sum(), test / test.sum()
        covered = (shares >= self.min_share * test_shares) & (counts > 0)
        return int(covered.sum())


@METRICS.register("label_accuracy")
class LabelAccuracy(Metric):
    """Share of generated images that a classifier takes for the class asked for.

    The floor is the classifier's accuracy on the test images, which a perfect
    conditional model would reach and not pass. The interval is Wilson's.
    """

    name = "label_accuracy"
    title = "Label accuracy"
    unit = "fraction"
    better = "higher"
    needs = frozenset({"features", "probabilities", "labels"})

    def __call__(
        self, samples: ImageSet, real: RealImages, *, seed: int = 0
    ) -> MetricValue:
        """Compares the classifier's classes with the labels; see the class."""
        if samples.labels is None:
            raise ValueError(
                "Images with the labels asked for were expected. Received: "
                "labels=None. Pass labels=..., or drop 'label_accuracy'."
            )
        agree = _agreement(samples, samples.labels)
        floor = None
        if real.test.labels is not None:
            floor = float(_agreement(real.test, real.test.labels).mean())
        num_classes = samples.probabilities().shape[1]
        asked = np.bincount(samples.labels, minlength=num_classes)
        right = np.bincount(samples.labels[agree], minlength=num_classes)
        return self.result(
            agree.mean(),
            n=len(samples),
            seed=seed,
            interval=wilson_interval(int(agree.sum()), len(agree)),
            floor=floor,
            extractor_hash=samples.extractor_hash,
            method="The classifier's first choice against the label; Wilson interval.",
            details={
                "num_correct": int(agree.sum()),
                "per_class": [
                    float(r / a) if a else None
                    for r, a in zip(right, asked, strict=True)
                ],
            },
        )


def _class_counts(images: ImageSet) -> np.ndarray:
    probabilities = images.probabilities()
    return np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1])


def _agreement(images: ImageSet, labels: np.ndarray) -> np.ndarray:
    num_classes = images.probabilities().shape[1]
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"Labels in [0, {num_classes - 1}], the extractor's classes, were "
            f"expected. Received: labels in [{labels.min()}, {labels.max()}]. Use an "
            "extractor that was fitted to this data."
        )
    return images.probabilities().argmax(axis=1) == labels
