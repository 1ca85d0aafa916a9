"""Options that several commands have."""

from typing import Annotated, TypeAlias

import typer

Port: TypeAlias = Annotated[int, typer.Option("--port", help="Port of the local account.", min=0, max=65535)]
