"""Pages: what comes from outside is escaped, and a missing value is an error."""

import jinja2
import pytest

from tfgenai.core.pages import template_environment


def test_values_are_escaped_and_required(tmp_path):
    (tmp_path / "a.html").write_text("<p>{{ name }}</p>")
    page = template_environment(tmp_path).get_template("a.html")
    assert page.render(name="<b>") == "<p>&lt;b&gt;</p>"
    with pytest.raises(jinja2.UndefinedError, match="name"):
        page.render()
