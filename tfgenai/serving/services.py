"""What both protocols answer with: readers of requests, and what is known of models."""

import dataclasses

from tfgenai.serving.config import Settings
from tfgenai.serving.example_requests import ExampleRequests
from tfgenai.serving.manager import ModelManager
from tfgenai.serving.metrics import Metrics
from tfgenai.serving.model_info import ModelInfo
from tfgenai.serving.predict_requests import PredictRequests


@dataclasses.dataclass(frozen=True)
class Services:
    """The functions behind the methods and routes; none of them knows of sockets.

    Args:
        predict: reads Predict requests.
        examples: reads Classify, Regress and MultiInference requests.
        info: tells of models, and changes which are served.
        metrics: what is counted.
    """

    predict: PredictRequests
    examples: ExampleRequests
    info: ModelInfo
    metrics: Metrics

    @classmethod
    def of(
        cls, manager: ModelManager, settings: Settings, metrics: Metrics
    ) -> "Services":
        """Those for the models that a manager keeps.

        Args:
            manager: the models.
            settings: the server's settings.
            metrics: what is counted.
        """
        return cls(
            PredictRequests(manager, settings),
            ExampleRequests(manager, settings, metrics),
            ModelInfo(manager),
            metrics,
        )
