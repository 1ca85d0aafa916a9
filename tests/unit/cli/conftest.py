"""The repository's own template, translated once for all tests."""

import pytest

from mfa_guard_cli.stack.router import Router
from mfa_guard_cli.stack.template import Template, load_template


@pytest.fixture(scope="session")
def template() -> Template:
    """Return the repository's template."""
    return load_template()


@pytest.fixture(scope="session")
def router(template: Template) -> Router:
    """Return a router over the repository's template."""
    return Router(template)
