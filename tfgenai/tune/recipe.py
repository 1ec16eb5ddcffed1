"""TuneRecipe: a training recipe with a search over some of its values."""

from typing import Annotated, Any, Literal, Self

import pydantic

from tfgenai.core.recipe_file import Section
from tfgenai.core.recipe_values import set_key
from tfgenai.train.recipe import MonitorSection, Recipe

_Positive = Annotated[int, pydantic.Field(ge=1)]
_Value = bool | int | float | str | list[Any] | None


class RangeSection(Section):
    """The values that one key of the recipe may take.

    Args:
        kind: `"float"` and `"int"` lie between `min` and `max`, both of them
            included; `"choice"` is one of `values`.
        min: smallest number.
        max: largest number.
        step: distance between two numbers that may be tried; with `sampling: log`
            their ratio, then greater than 1.
        sampling: `"log"` draws alike from each power of ten, as learning rates want.
        values: of a choice; lists such as `[32, 64]` may be among them.
    """

    kind: Literal["float", "int", "choice"]
    min: float | None = None
    max: float | None = None
    step: Annotated[float, pydantic.Field(gt=0)] | None = None
    sampling: Literal["linear", "log"] = "linear"
    values: tuple[_Value, ...] | None = None

    @pydantic.model_validator(mode="after")
    def _require_range(self) -> Self:
        if self.kind == "choice":
            self._require_choice()
            return self
        low, high = self.min, self.max
        if low is None or high is None or self.values is not None:
            raise ValueError(f"min and max, without values, were expected of {self}")
        if not low < high:
            raise ValueError(f"min < max was expected. Received: min={low}, max={high}")
        if self.sampling == "log" and (low <= 0 or (self.step or 2) <= 1):
            raise ValueError(
                "min > 0 and step > 1, a ratio, were expected with sampling='log'. "
                f"Received: min={low}, step={self.step}"
            )
        numbers = (n for n in (low, high, self.step) if n is not None)
        if self.kind == "int" and any(number != int(number) for number in numbers):
            raise ValueError(f"Whole numbers were expected of kind='int' in {self}")
        return self

    def _require_choice(self) -> None:
        if self.values is None or len(self.values) < 2:
            raise ValueError("Two or more values were expected of kind='choice'")
        if (self.min, self.max, self.step) != (None, None, None):
            raise ValueError("values alone were expected of kind='choice'")
        if any(v in self.values[:i] for i, v in enumerate(self.values)):
            raise ValueError(f"Different values were expected: {list(self.values)}")

    @property
    def extremes(self) -> tuple[Any, ...]:
        """Values to try a recipe with before any work: both ends, or all choices."""
        if self.kind == "choice":
            return self.values or ()
        low, high = self.bounds
        return (int(low), int(high)) if self.kind == "int" else (low, high)

    @property
    def bounds(self) -> tuple[float, float]:
        """`min` and `max` of a range of numbers."""
        if self.min is None or self.max is None:
            raise ValueError(f"A range of numbers was expected. Received: {self}")
        return self.min, self.max


class TuneSection(Section):
    """How values are searched for.

    Args:
        space: ranges by dotted key of the recipe, such as `model.latent_dim`.
        search: `"random"`; `"bayesian"`, where a Gaussian process learns which values
            pay; or `"hyperband"` (Li et al., 2018), which trains many for a few epochs
            and goes on with the best.
        objective: a column of the runs' `log.csv` and its mode; a trial's score is its
            best epoch. None: what the recipe monitors.
        max_trials: how many trials there are, at most. None: 20, and for Hyperband as
            many as one pass of it takes.
        factor: of Hyperband: one in so many goes on, with so many times the epochs; the
            last of them train for `fit.epochs`.
        max_failures: how many trials may fail in a row before the search stops.
        seed: of the search; None: the recipe's.
    """

    space: dict[str, RangeSection] = pydantic.Field(min_length=1)
    search: Literal["random", "bayesian", "hyperband"] = "random"
    objective: MonitorSection | None = None
    max_trials: _Positive | None = None
    factor: Annotated[int, pydantic.Field(ge=2)] = 3
    max_failures: _Positive = 3
    seed: Annotated[int, pydantic.Field(ge=0, lt=2**31)] | None = None


class TuneRecipe(Recipe):
    """A recipe of `tfgenai train` with one more section, `tune`.

    Args:
        tune: how values are searched for.

    Example:
        >>> recipe = TuneRecipe.from_dict(
        ...     {
        ...         "name": "tiny",
        ...         "data": {"name": "digits", "validation_split": "test"},
        ...         "model": {"family": "VAE"},
        ...         "tune": {
        ...             "space": {
        ...                 "model.latent_dim": {"kind": "int", "min": 2, "max": 16}
        ...             }
        ...         },
        ...     }
        ... )
        >>> recipe.with_values({"model.latent_dim": 8}).model.arguments
        {'latent_dim': 8}
    """

    tune: TuneSection

    @pydantic.model_validator(mode="after")
    def _require_free_keys(self) -> Self:
        for key in self.tune.space:
            taken = key.split(".")[0] in ("tune", "name", "monitor", "evaluate")
            if taken or (key == "fit.epochs" and self.tune.search == "hyperband"):
                raise ValueError(
                    "Keys that training depends on and the search does not set itself "
                    f"were expected in tune.space. Received: {key!r}"
                )
        return self

    def with_values(
        self, values: dict[str, Any], *, name: str | None = None, **sections: Any
    ) -> Recipe:
        """The recipe without its search, with other values.

        Args:
            values: by dotted key.
            name: another name, or None.
            **sections: whole sections to put in place.

        Raises:
            ConfigError: if a key is unknown or a value does not fit.
        """
        made = self.to_dict()
        del made["tune"]
        made |= {"name": name or self.name, **sections}
        for key, value in values.items():
            set_key(made, key, value)
        return Recipe.from_dict(made, source=f"{self.name} with {values}")
