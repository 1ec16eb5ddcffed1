"""How likely an image is given a decoder's output: log p(x | z) in nats per example.

Every likelihood is of images in [-1, 1] and reads its parameters from the last axis of
a network's output. All arithmetic is float32, whatever the dtypes of the arguments. The
formulas are those of TensorFlow Probability, which the tests hold them to; written out
from logits they take fewer operations in a step and no second's import.
"""

from tfgenai.core.likelihoods.bernoulli import Bernoulli
from tfgenai.core.likelihoods.categorical import Categorical
from tfgenai.core.likelihoods.discretized_logistic import DiscretizedLogistic
from tfgenai.core.likelihoods.gaussian import Gaussian
from tfgenai.core.likelihoods.likelihood import LIKELIHOODS, Likelihood, bits_per_dim
from tfgenai.core.likelihoods.logistic_mixture import DiscretizedLogisticMixture

__all__ = [
    "LIKELIHOODS",
    "Bernoulli",
    "Categorical",
    "DiscretizedLogistic",
    "DiscretizedLogisticMixture",
    "Gaussian",
    "Likelihood",
    "bits_per_dim",
]
