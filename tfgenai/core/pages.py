"""How every HTML page of the package is made from its template."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


def template_environment(folder: Path) -> "jinja2.Environment":
    """A Jinja environment of the templates in `folder`.

    Values are escaped, because captions and paths come from outside; a name that is
    not given is an error, not an empty place.

    Args:
        folder: where the templates lie.
    """
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
