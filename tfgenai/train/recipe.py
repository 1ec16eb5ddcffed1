"""Recipe: the typed description of a run, from a YAML file or from Python values."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pydantic

from tfgenai.core.recipe_file import RecipeFile, Section
from tfgenai.train.recipe_files import find_recipe

_Positive = Annotated[int, pydantic.Field(ge=1)]
_Seed = Annotated[int, pydantic.Field(ge=0, lt=2**63)]
_Fraction = Annotated[float, pydantic.Field(ge=0, le=1)]


class DataSection(Section):
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


class ModelSection(Section):
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


class ScheduleSection(Section):
    """How the learning rate moves over the run; see `tfgenai.train.WarmupCosine`.

    Both numbers are fractions, so that a run of other length needs no other recipe:
    `warmup_fraction` of all steps, `final_fraction` of the learning rate.
    """

    name: Literal["warmup_cosine"] = "warmup_cosine"
    warmup_fraction: Annotated[float, pydantic.Field(ge=0, lt=1)] = 0.0
    final_fraction: _Fraction = 0.0


class OptimizerSection(Section):
    """A Keras optimizer and its arguments, such as `beta_1` or `weight_decay`."""

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    name: str = "adam"
    learning_rate: Annotated[float, pydantic.Field(gt=0)] | None = None
    schedule: ScheduleSection | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """The other arguments that were given."""
        return dict(self.model_extra or {})


class FitSection(Section):
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


class SamplesSection(Section):
    """The pictures that are drawn while training; see `SampleGrid`."""

    num_samples: _Positive = 64
    seed: _Seed = 0
    every: _Positive = 1


class SampleMetricsSection(Section):
    """Figures of samples against validation images; see `SampleMetrics`."""

    metrics: tuple[str, ...] = ("kid",)
    num_samples: _Positive = 1000
    every: _Positive = 1


class MonitorSection(Section):
    """The log that chooses `best.keras`; `mode` is known for metrics and losses."""

    log: str
    mode: Literal["min", "max"] = "min"


class NLLSection(Section):
    """Negative log-likelihood; see `evaluate_nll`.

    `num_samples` is of importance sampling; families with an exact one ignore it.
    """

    num_images: _Positive | None = 1000
    num_samples: _Positive = 5000
    binarize: Literal["static", "threshold"] | None = "static"


class SampleEvaluationSection(Section):
    """Figures of samples against the test split; see `evaluate_samples`.

    `conditions` holds knobs of the family such as `{guidance_scale: 2.0}`, `sampler` a
    name, or a name with arguments as in `model.sampler`.
    """

    metrics: tuple[str, ...] | None = None
    num_samples: _Positive = 10_000
    conditions: dict[str, float] = pydantic.Field(default={})
    sampler: str | dict[str, Any] | None = None


class EvaluateSection(Section):
    """What is measured on the test split at the end.

    `features` is the extractor of the sample figures: a name, a folder, or `auto`,
    which takes `<data>_classifier` and trains one in the run folder if there is none.
    """

    loss: bool = True
    nll: NLLSection | None = None
    samples: SampleEvaluationSection | None = None
    features: str = "auto"


class Recipe(RecipeFile):
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

    _help: ClassVar[str] = "tfgenai train vae_digits --show"

    name: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: _Seed = 0
    data: DataSection
    model: ModelSection
    optimizers: dict[str, OptimizerSection] = pydantic.Field(default={})
    fit: FitSection = FitSection()
    samples: SamplesSection | None = SamplesSection()
    sample_metrics: SampleMetricsSection | None = None
    monitor: MonitorSection | None = None
    evaluate: EvaluateSection = EvaluateSection()
    export: str | None = None

    @classmethod
    def find(cls, recipe: str | Path) -> Path:
        """The file of a recipe that ships with the package, or of a path."""
        return find_recipe(recipe)
