"""Recipes that ship with the package: where they are, and what they are called."""

import difflib
from pathlib import Path

from tfgenai.core.errors import ConfigError

SHIPPED = Path(__file__).parent / "recipes"


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the package, sorted."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def find_recipe(recipe: str | Path) -> Path:
    """The file of a recipe.

    Args:
        recipe: a shipped recipe's name, or a path that ends in .yaml or .yml.

    Raises:
        ConfigError: if there is none; the message names the nearest.
    """
    text = str(recipe)
    if text in shipped_recipes():
        return SHIPPED / f"{text}.yaml"
    path = Path(recipe)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return path
    near = difflib.get_close_matches(path.stem, shipped_recipes(), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ConfigError(
        f"One of the recipes {shipped_recipes()} or the path of a .yaml file was "
        f"expected. Received: recipe={text!r}, which is neither.{hint}"
    )
