"""What a caller may say of each image that is drawn."""

import dataclasses

from tfgenai.core.conditions import Condition

TEMPERATURE = Condition(
    "temperature",
    "float32",
    minimum=0.0,
    maximum=10.0,
    default=1.0,
    description="spread of each pixel's distribution; 0.0 takes the likeliest value",
)
CODE_TEMPERATURE = dataclasses.replace(
    TEMPERATURE,
    description="spread of each code's distribution; 0.0 takes the likeliest code",
)


def label_conditions(num_classes: int | None) -> tuple[Condition, ...]:
    """`labels` where a model has classes, else nothing."""
    if num_classes is None:
        return ()
    labels = Condition(
        "labels",
        "int32",
        minimum=0,
        maximum=num_classes - 1,
        description="class of the image",
    )
    return (labels,)
