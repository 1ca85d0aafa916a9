"""Render self-contained HTML pages: one file that makes no request and runs no script but its own."""

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from mfa_guard_cli.common.output import printable

_STYLE: Final = "mfa_guard_cli/common/style.css"
_SUFFIX: Final = ".html.j2"


def render(template: str, data: Mapping[str, object]) -> str:
    """Return the page of a template that extends mfa_guard_cli/common/base.html.j2.

    `template` is a path that begins with its package: mfa_guard_cli/preview/page.html.j2. The shared style.css, and
    page.css and page.js beside the template if they exist, become part of the page. `data` needs `title` and
    `generator`, the command that writes the page. Strangers may have written any value of `data`: it stays text.
    """
    path = template.removesuffix(_SUFFIX)
    style = (_source(_STYLE) or "") + (_source(f"{path}.css") or "")
    script = _source(f"{path}.js") or ""
    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(_source),
        undefined=StrictUndefined,
        finalize=_text,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # The style and the script are files of the program, so they are not escaped.
    unescaped = Markup(style), Markup(script)  # noqa: S704 # nosec B704
    own = {"style": unescaped[0], "script": unescaped[1], "policy": _policy(style, script)}
    return environment.get_template(template).render(data, **own)


def _source(path: str) -> str | None:
    folder, _, name = path.rpartition("/")
    file = files(folder.replace("/", ".")).joinpath(name)
    return file.read_text("utf-8") if file.is_file() else None


def _text(value: object) -> object:
    # A character that is not printable can reverse the reading direction, or is not allowed in HTML at all.
    return value if isinstance(value, Markup) else printable(str(value))


def _policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy that allows the page's own style and script, and no request.

    https://www.w3.org/TR/CSP3/ and https://www.w3.org/TR/trusted-types/
    """
    rules = (
        "default-src 'none'",
        f"style-src '{_hash(style)}'",
        f"script-src '{_hash(script)}'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return "; ".join(rules)


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
