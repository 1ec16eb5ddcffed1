"""Recipe: the typed description of a run, from a YAML file or from Python values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import yaml

from tfgenai.core.errors import ConfigError
from tfgenai.core.recipe_errors import to_config_error
from tfgenai.core.recipe_values import parse_yaml, set_key
from tfgenai.train.recipe_files import find_recipe

_Positive = Annotated[int, pydantic.Field(ge=1)]
_Seed = Annotated[int, pydantic.Field(ge=0, lt=2**63)]
_Fraction = Annotated[float, pydantic.Field(ge=0, le=1)]


class _Section(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class DataSection(_Section):
    """What is trained on; see `tfgenai.data.load` for the meanings.

    `tokenizer`, `sequence_length` and `steps_per_epoch` are of text.
    """

    name: str
    split: str = "train"
    validation_split: str | None = None
    image_size: _Positive | tuple[_Positive, _Positive] | None = None
    batch_size: _Positive = 128
    augment: tuple[str | dict[str, Any], ...] = ()
    binarize: Literal["dynamic", "static", "threshold"] | None = None
    tokenizer: str | dict[str, Any] | None = None
    sequence_length: _Positive | None = None
    steps_per_epoch: _Positive | None = None


class ModelSection(_Section):
    """A family and the arguments of its constructor.

    `image_shape`, or `vocabulary_size` and `max_sequence_length`, may be left out and
    `num_classes` may be `auto`: they come from the data. `seed` is the recipe's unless
    given.
    """

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    family: str

    @property
    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments that were given."""
        return dict(self.model_extra or {})


class ScheduleSection(_Section):
    """How the learning rate moves over the run; see `tfgenai.train.WarmupCosine`.

    Both numbers are fractions, so that a run of other length needs no other recipe:
    `warmup_fraction` of all steps, `final_fraction` of the learning rate.
    """

    name: Literal["warmup_cosine"] = "warmup_cosine"
    warmup_fraction: Annotated[float, pydantic.Field(ge=0, lt=1)] = 0.0
    final_fraction: _Fraction = 0.0


class OptimizerSection(_Section):
    """A Keras optimizer and its arguments, such as `beta_1` or `weight_decay`."""

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    name: str = "adam"
    learning_rate: Annotated[float, pydantic.Field(gt=0)] | None = None
    schedule: ScheduleSection | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """The other arguments that were given."""
        return dict(self.model_extra or {})


class FitSection(_Section):
    """How `fit` runs.

    `checkpoint_seconds` is the least time between two checkpoints: what a kill may
    cost. With `on_non_finite: rollback` a bad loss goes back to the last of them.
    """

    epochs: _Positive = 10
    steps_per_execution: _Positive | Literal["auto"] = "auto"
    jit_compile: bool | Literal["auto"] = "auto"
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    strategy: Literal["auto", "mirrored", "multi_worker", "one"] = "auto"
    on_non_finite: Literal["raise", "rollback"] = "raise"
    checkpoint_seconds: Annotated[float, pydantic.Field(ge=0)] = 30.0


class SamplesSection(_Section):
    """The pictures that are drawn while training; see `SampleGrid`."""

    num_samples: _Positive = 64
    seed: _Seed = 0
    every: _Positive = 1


class SampleMetricsSection(_Section):
    """Figures of samples against validation images; see `SampleMetrics`."""

    metrics: tuple[str, ...] = ("kid",)
    num_samples: _Positive = 1000
    every: _Positive = 1


class MonitorSection(_Section):
    """The log that chooses `best.keras`; `mode` is known for metrics and losses."""

    log: str
    mode: Literal["min", "max"] = "min"


class NLLSection(_Section):
    """Negative log-likelihood; see `evaluate_nll`.

    `num_samples` is of importance sampling; families with an exact one ignore it.
    """

    num_images: _Positive | None = 1000
    num_samples: _Positive = 5000
    binarize: Literal["static", "threshold"] | None = "static"


class SampleEvaluationSection(_Section):
    """Figures of samples against the test split; see `evaluate_samples`.

    `conditions` holds knobs of the family such as `{guidance_scale: 2.0}`, `sampler` a
    name, or a name with arguments as in `model.sampler`.
    """

    metrics: tuple[str, ...] | None = None
    num_samples: _Positive = 10_000
    conditions: dict[str, float] = {}
    sampler: str | dict[str, Any] | None = None


class EvaluateSection(_Section):
    """What is measured on the test split at the end.

    `features` is the extractor of the sample figures: a name, a folder, or `auto`,
    which takes `<data>_classifier` and trains one in the run folder if there is none.
    """

    loss: bool = True
    nll: NLLSection | None = None
    samples: SampleEvaluationSection | None = None
    features: str = "auto"


class Recipe(_Section):
    """Everything that a run depends on.

    Read one with `Recipe.load` or make one with `Recipe.from_dict`; both raise errors
    that name the place and the nearest key. A recipe cannot be changed.

    Args:
        name: name of the run; its default folder is `runs/<name>`.
        seed: seed of the data's order, the model and the evaluation.
        data: what is trained on.
        model: the family and its arguments.
        optimizers: by the names that the family gives them; the family's own where
            nothing is said.
        fit: how `fit` runs.
        samples: pictures while training, or None.
        sample_metrics: figures of samples while training, or None.
        monitor: what chooses the best model. None: the first of `sample_metrics`, or
            `val_loss` for a family with one optimizer, or nothing.
        evaluate: what is measured at the end.
        export: folder of the export, relative to the run's, or None.

    Example:
        >>> recipe = Recipe.from_dict(
        ...     {
        ...         "name": "tiny",
        ...         "data": {"name": "digits"},
        ...         "model": {"family": "VAE", "latent_dim": 4},
        ...     }
        ... )
        >>> recipe.fit.epochs, recipe.model.arguments
        (10, {'latent_dim': 4})
    """

    name: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: _Seed = 0
    data: DataSection
    model: ModelSection
    optimizers: dict[str, OptimizerSection] = {}
    fit: FitSection = FitSection()
    samples: SamplesSection | None = SamplesSection()
    sample_metrics: SampleMetricsSection | None = None
    monitor: MonitorSection | None = None
    evaluate: EvaluateSection = EvaluateSection()
    export: str | None = None

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], *, source: str = "recipe"
    ) -> "Recipe":
        """Makes a recipe from plain values.

        Args:
            values: sections by name.
            source: where they came from, for messages.

        Raises:
            ConfigError: if a key is unknown or a value does not fit; all mistakes are
                named at once.
        """
        try:
            return cls.model_validate(dict(values))
        except pydantic.ValidationError as error:
            raise to_config_error(error, cls, source) from error

    @classmethod
    def load(
        cls, recipe: str | Path, *, overrides: Mapping[str, Any] | None = None
    ) -> "Recipe":
        """Reads a recipe by name or path.

        Args:
            recipe: name of one that ships with the package, or path of a YAML file.
            overrides: values by dotted key, for example `{"data.batch_size": 64}`.

        Raises:
            ConfigError: if there is no such recipe, the file is not YAML, or a key or
                value does not fit.
        """
        path = find_recipe(recipe)
        values = parse_yaml(path.read_text(encoding="utf-8"), source=str(recipe))
        if not isinstance(values, dict):
            raise ConfigError(
                f"A recipe of sections was expected. Received: {str(recipe)!r}, which "
                f"holds {type(values).__name__}. See `tfgenai train vae_digits --show`."
            )
        values.setdefault("name", path.stem)
        for key, value in (overrides or {}).items():
            set_key(values, key, value)
        return cls.from_dict(values, source=str(recipe))

    def to_dict(self) -> dict[str, Any]:
        """All values, defaults included, as JSON values."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """The recipe as a YAML file that `load` reads, defaults included."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)
