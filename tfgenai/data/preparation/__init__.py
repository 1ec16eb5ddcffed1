"""Raw data cleaned, split, described: `tfgenai data prepare`."""

from tfgenai.data.preparation.prepared import Prepared, is_prepared
from tfgenai.data.preparation.recipe import PrepareRecipe
from tfgenai.data.preparation.run import prepare

__all__ = ["PrepareRecipe", "Prepared", "is_prepared", "prepare"]
