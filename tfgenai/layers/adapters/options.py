"""What an adapter is: its method, and the numbers that all layers with it share."""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from tfgenai.core.errors import ConfigError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@dataclasses.dataclass(frozen=True)
class AdapterOptions:
    """Name, rank and scale of a low-rank adapter.

    Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models",
    arXiv:2106.09685, section 4.1: a kernel W becomes W + alpha / rank · A B. With
    `use_rslora` the scale is alpha / √rank (Kalajdzievski 2023, "A Rank Stabilization
    Scaling Factor for Fine-Tuning with LoRA", arXiv:2312.03732, theorem 3.2). With
    `use_dora` the sum's outputs keep lengths m of their own, which are trained, too:
    m (W + ΔW) / ‖W + ΔW‖ (Liu et al. 2024, "DoRA: Weight-Decomposed Low-Rank
    Adaptation", arXiv:2402.09353, equation 5).

    Args:
        name: what the adapter is called; letters, digits, `_` and `-`.
        rank: columns of A.
        alpha: numerator of the scale; None for `rank`.
        use_rslora: whether the scale is alpha / √rank.
        use_dora: whether lengths are trained apart from directions.

    Raises:
        ValueError: if a number is out of range or the name has other characters.

    Example:
        >>> AdapterOptions("formal", rank=4, alpha=8).scale
        2.0
        >>> AdapterOptions("formal", rank=4, alpha=8, use_rslora=True).scale
        4.0
    """

    name: str
    rank: int = dataclasses.field(default=8, kw_only=True)
    alpha: float | None = dataclasses.field(default=None, kw_only=True)
    use_rslora: bool = dataclasses.field(default=False, kw_only=True)
    use_dora: bool = dataclasses.field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not _is_count(self.rank):
            raise ValueError(
                f"A positive whole number was expected. Received: rank={self.rank!r}."
            )
        alpha = self.alpha
        if alpha is not None and not (
            isinstance(alpha, (int, float)) and math.isfinite(alpha) and alpha > 0
        ):
            raise ValueError(
                f"A positive number was expected. Received: alpha={alpha!r}. Leave it "
                "out for the rank."
            )

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of its weights in a layer."""
        return ("a", "b", "magnitude") if self.use_dora else ("a", "b")

    @property
    def scale(self) -> float:
        """What A B is multiplied by."""
        alpha = float(self.rank if self.alpha is None else self.alpha)
        return alpha / (math.sqrt(self.rank) if self.use_rslora else self.rank)

    def to_dict(self) -> dict[str, Any]:
        """All values, for files."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "AdapterOptions":
        """Makes them from what `to_dict` returned."""
        rest = dict(values)
        return cls(rest.pop("name"), **rest)


@dataclasses.dataclass(frozen=True)
class IA3Options:
    """Name of an adapter that scales, and whose inputs it scales.

    Liu et al. 2022, "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper
    than In-Context Learning", arXiv:2205.05638, section 3.3: the outputs of a linear
    layer are multiplied by a learned vector, which begins as ones.

    Args:
        name: what the adapter is called; letters, digits, `_` and `-`.
        scaled_inputs: names of the layers of which not the outputs but the inputs are
            multiplied.

    Raises:
        ValueError: if the name has other characters, or a layer's name is no text.

    Example:
        >>> IA3Options("formal").parts
        ('gain',)
    """

    name: str
    scaled_inputs: tuple[str, ...] = dataclasses.field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not all(isinstance(each, str) for each in self.scaled_inputs):
            raise ConfigError(
                "Names of layers were expected. Received: scaled_inputs="
                f"{self.scaled_inputs!r}."
            )

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of its weights in a layer."""
        return ("gain",)

    def to_dict(self) -> dict[str, Any]:
        """All values and the method, for files."""
        return {
            "method": "ia3",
            "name": self.name,
            "scaled_inputs": list(self.scaled_inputs),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "IA3Options":
        """Makes them from what `to_dict` returned, without the method."""
        return cls(
            **{**values, "scaled_inputs": tuple(values.get("scaled_inputs", ()))}
        )


@dataclasses.dataclass(frozen=True)
class PrefixOptions:
    """Name and length of a prefix of trained keys and values; see `PrefixAdapters`.

    Args:
        name: what the adapter is called; letters, digits, `_` and `-`.
        num_prefix_tokens: keys and values in front of every layer's.

    Raises:
        ValueError: if the name has other characters.
        ConfigError: if the number is no positive whole one.

    Example:
        >>> PrefixOptions("formal", num_prefix_tokens=10).parts
        ('keys', 'values', 'gate')
    """

    name: str
    num_prefix_tokens: int = dataclasses.field(default=10, kw_only=True)

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not _is_count(self.num_prefix_tokens):
            raise ConfigError(
                "A positive whole number was expected. Received: num_prefix_tokens="
                f"{self.num_prefix_tokens!r}. Use for example 10."
            )

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of its weights in a layer."""
        return ("keys", "values", "gate")

    def to_dict(self) -> dict[str, Any]:
        """All values and the method, for files."""
        return {"method": "prefix", **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "PrefixOptions":
        """Makes them from what `to_dict` returned, without the method."""
        return cls(**values)


Options: TypeAlias = AdapterOptions | IA3Options | PrefixOptions

# Low-rank adapters were there first, and their files name no method.
_METHODS: dict[str, Any] = {
    "lora": AdapterOptions,
    "ia3": IA3Options,
    "prefix": PrefixOptions,
}


def options_from_dict(values: Mapping[str, Any]) -> Options:
    """Makes the options of an adapter of any method from what `to_dict` returned.

    Raises:
        ValueError: if the method is unknown or a value makes no sense.

    Example:
        >>> options_from_dict({"method": "prefix", "name": "a", "num_prefix_tokens": 3})
        PrefixOptions(name='a', num_prefix_tokens=3)
    """
    rest = dict(values)
    method = rest.pop("method", "lora")
    if method not in _METHODS:
        raise ConfigError(
            f"One of the methods {list(_METHODS)} was expected. Received: "
            f"method={method!r}."
        )
    options: Options = _METHODS[method].from_dict(rest)
    return options


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            "A name of 1 to 64 letters, digits, _ and -, a letter first, was "
            f"expected. Received: name={name!r}."
        )


def _is_count(value: Any) -> bool:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return is_whole and value >= 1
