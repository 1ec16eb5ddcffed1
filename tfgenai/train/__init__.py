"""What stands around `fit`: recipes, runs, callbacks, learning rates, strategies."""

from tfgenai.train.backup import Backup
from tfgenai.train.checkpoint import Checkpoint
from tfgenai.train.gan_health import GANHealth
from tfgenai.train.learning_rates import ScaledSchedule, WarmupCosine
from tfgenai.train.nan_guard import NaNGuard
from tfgenai.train.progress import Progress
from tfgenai.train.recipe import Recipe
from tfgenai.train.recipe_files import shipped_recipes
from tfgenai.train.run import Run, run
from tfgenai.train.run_log import RunLog
from tfgenai.train.sample_grid import SampleGrid
from tfgenai.train.sample_metrics import SampleMetrics
from tfgenai.train.strategy import is_chief, strategy
from tfgenai.train.throughput import Throughput

__all__ = [  # noqa: RUF022 - sorted without regard to case
    "Backup",
    "Checkpoint",
    "GANHealth",
    "is_chief",
    "NaNGuard",
    "Progress",
    "Recipe",
    "run",
    "Run",
    "RunLog",
    "SampleGrid",
    "SampleMetrics",
    "ScaledSchedule",
    "shipped_recipes",
    "strategy",
    "Throughput",
    "WarmupCosine",
]
