"""RecipeFile: what every recipe can do: from a YAML file, and back into one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import pydantic
import yaml

from tfgenai.core.errors import ConfigError
from tfgenai.core.recipe_errors import to_config_error
from tfgenai.core.recipe_values import parse_yaml, set_key


class Section(pydantic.BaseModel):
    """A part of a recipe: unknown keys are mistakes, and nothing changes later."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class RecipeFile(Section):
    """A recipe, whose sections are the fields of the class.

    Errors name the place and the nearest key.
    """

    _help: ClassVar[str] = "tfgenai --help"

    @classmethod
    def find(cls, recipe: str | Path) -> Path:
        """The file that is meant.

        Raises:
            ConfigError: if there is none.
        """
        path = Path(recipe)
        if not path.is_file():
            raise ConfigError(
                "The path of a .yaml file that exists was expected. Received: "
                f"path={str(recipe)!r}. See `{cls._help}`."
            )
        return path

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, source: str = "recipe") -> Self:
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
    ) -> Self:
        """Reads a recipe from a YAML file.

        Args:
            recipe: the file, or what else `find` knows.
            overrides: values by dotted key, for example `{"data.batch_size": 64}`.

        Raises:
            ConfigError: if there is no such recipe, the file is not YAML, or a key or
                value does not fit.
        """
        path = cls.find(recipe)
        values = parse_yaml(path.read_text(encoding="utf-8"), source=str(recipe))
        if not isinstance(values, dict):
            raise ConfigError(
                f"A recipe of sections was expected. Received: {str(recipe)!r}, which "
                f"holds {type(values).__name__}. See `{cls._help}`."
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
