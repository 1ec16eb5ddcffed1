"""FinetuneRecipe: from which model, on what, and how a fine-tuned one is made."""

from typing import Annotated, Any, ClassVar, Literal, Self

import pydantic

from tfgenai.core.recipe_file import RecipeFile, Section
from tfgenai.train.recipe import DataSection

_Positive = Annotated[int, pydantic.Field(ge=1)]
_Rate = Annotated[float, pydantic.Field(gt=0)]
_Share = Annotated[float, pydantic.Field(gt=0, lt=1)]

TASKS = ("adapter", "classifier", "feedback")


class AdapterSection(Section):
    """A low-rank adapter; see `tfgenai.finetune.apply_lora`."""

    rank: _Positive = 8
    alpha: _Rate | None = None
    targets: tuple[str, ...] = ("*",)
    use_rslora: bool = False
    use_dora: bool = False


class FeedbackSection(Section):
    """Preferences, and how they are learned; see `finetune.tune_on_feedback`."""

    file: str
    method: Literal["dpo", "ipo", "kto"] = "dpo"
    beta: _Rate = 0.1
    label_smoothing: Annotated[float, pydantic.Field(ge=0, lt=0.5)] = 0.0
    sft_weight: Annotated[float, pydantic.Field(ge=0)] = 0.0
    held_out: _Share = 0.1
    num_samples: _Positive = 64
    max_new_tokens: _Positive = 64
    batch_size: _Positive = 16


class ClassifierSection(Section):
    """A classifier on the model's features; see `tfgenai.finetune.ClassifierHead`.

    `unfreeze` names parts of the base, the top first, that train along one after
    another; without it the base stays as it is, and without a hidden layer the best
    linear classifier is found at once. `examples_per_class` takes the first so many of
    each class of the training split.
    """

    layer: str | None = None
    pool: Literal["mean", "flatten"] = "mean"
    time: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.1
    hidden_dim: _Positive | None = None
    dropout: Annotated[float, pydantic.Field(ge=0, lt=1)] = 0.0
    label_smoothing: Annotated[float, pydantic.Field(ge=0, lt=1)] = 0.0
    unfreeze: tuple[str, ...] = ()
    examples_per_class: _Positive | None = None


class FinetuneRecipe(RecipeFile):
    """Everything that a fine-tuned model depends on, beside its base.

    Args:
        name: name of the run; its default folder is `runs/<name>`.
        base: the pre-trained model: a run folder or a `.keras` file.
        task: `"adapter"` goes on with the model's own training on other data,
            `"feedback"` learns preferences, `"classifier"` puts a head on it. None:
            what the sections say.
        seed: seed of everything.
        data: what is trained on, for an adapter or a classifier.
        adapter: the adapter that is trained; None: all weights.
        feedback: preferences.
        classifier: the head.
        learning_rate: of AdamW; None for the task's own.
        epochs: passes over the data.
        export_to: folder of the served model, in which the next version is made; None
            for no export.

    Example:
        >>> recipe = FinetuneRecipe.from_dict(
        ...     {
        ...         "name": "better",
        ...         "base": "runs/shakespeare_char",
        ...         "feedback": {"file": "feedback.jsonl"},
        ...     }
        ... )
        >>> recipe.task
        'feedback'
    """

    _help: ClassVar[str] = "tfgenai finetune --help"

    name: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    base: str
    task: Literal["adapter", "classifier", "feedback"] | None = None
    seed: Annotated[int, pydantic.Field(ge=0, lt=2**63)] = 0
    data: DataSection | None = None
    adapter: AdapterSection | None = None
    feedback: FeedbackSection | None = None
    classifier: ClassifierSection | None = None
    learning_rate: _Rate | None = None
    epochs: _Positive = 3
    export_to: str | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _name_the_task(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("task") is None:
            said = [t for t in ("feedback", "classifier", "adapter") if values.get(t)]
            return {**values, "task": said[0] if said else "adapter"}
        return values

    @pydantic.model_validator(mode="after")
    def _require_sections(self) -> Self:
        needed = {"adapter": "data", "classifier": "data", "feedback": "feedback"}
        section = needed[str(self.task)]
        if getattr(self, section) is None:
            raise ValueError(
                f"A section {section!r} was expected. Received: task={self.task!r} "
                "without it"
            )
        for other in ("feedback", "classifier"):
            if other != self.task and getattr(self, other) is not None:
                raise ValueError(
                    f"One task was expected. Received: task={self.task!r} and a "
                    f"section {other!r}"
                )
        if self.task == "classifier":
            if self.classifier is None:
                raise ValueError("A section 'classifier' was expected. Received: none")
            if self.adapter is not None:
                raise ValueError(
                    "Parts of the base to unfreeze, not an adapter, were expected. "
                    "Received: task='classifier' and a section 'adapter'"
                )
        return self
