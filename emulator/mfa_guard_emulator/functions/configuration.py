"""What a function's process gets: handler, timeout, environment, and the folders on its path."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mfa_guard_cli.stack.intrinsics import as_text
from mfa_guard_cli.stack.template import Resource, Stack

_HANDLER_MODULE: Final = "mfa_guard_local_handler"


@dataclass(frozen=True)
class FunctionConfiguration:
    """A function of the stack, and what its process gets.

    `environment` is complete but for what the interpreter needs. `path` are folders that Python searches before the
    function's own code. `log` is the file that takes the function's output.
    """

    resource: Resource
    handler: str
    timeout_seconds: int
    arn: str
    environment: Mapping[str, str]
    log: Path
    path: tuple[Path, ...] = ()

    @property
    def logical_id(self) -> str:
        """Return the function's logical id."""
        return self.resource.logical_id

    @property
    def name(self) -> str:
        """Return the function's name."""
        return self.resource.physical_id


def function_configuration(
    stack: Stack, logical_id: str, environment: Mapping[str, str], folder: Path, path: tuple[Path, ...] = ()
) -> FunctionConfiguration:
    """Return the configuration of a function of the stack.

    `environment` holds its credentials and the address of AWS. `folder` takes its log.
    """
    resource = stack.resource(logical_id)
    name, memory = resource.physical_id, as_text(resource.properties["MemorySize"])
    logging = resource.properties.get("LoggingConfig")
    group = logging.get("LogGroup") if isinstance(logging, Mapping) else None
    handler = as_text(resource.properties["Handler"])
    return FunctionConfiguration(
        resource=resource,
        handler=handler,
        timeout_seconds=int(as_text(resource.properties["Timeout"])),
        arn=as_text(stack.resolve({"Fn::GetAtt": [logical_id, "Arn"]})),
        environment={
            **stack.environment(logical_id),
            **environment,
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory,
            "AWS_LAMBDA_FUNCTION_TIMEOUT": as_text(resource.properties["Timeout"]),
            "AWS_LAMBDA_LOG_GROUP_NAME": as_text(group or f"/aws/lambda/{name}"),
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "_HANDLER": handler,
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
        },
        log=folder / f"{logical_id}.log",
        path=path,
    )


def install_handler(folder: Path) -> Path:
    """Return a new folder below `folder` that holds the handler for `with_local_time`."""
    return _install(folder / "handler", "handler.py", f"{_HANDLER_MODULE}.py")


def install_name_server(folder: Path) -> Path:
    """Return a new folder below `folder` that makes a function resolve the host names in LOCAL_HOSTS."""
    return _install(folder / "names", "name_server.py", "sitecustomize.py")


def with_local_time(configuration: FunctionConfiguration, installed: Path, clock: Path | None) -> FunctionConfiguration:
    """Return the configuration with the handler that shortens waits, or skips them on the clock in the file `clock`."""
    handler = f"{_HANDLER_MODULE}.lambda_handler"
    own = {"MFA_GUARD_LOCAL_HANDLER": configuration.handler, "_HANDLER": handler}
    return replace(
        configuration,
        handler=handler,
        environment={
            **configuration.environment,
            **own,
            **({"MFA_GUARD_LOCAL_CLOCK": str(clock)} if clock else {}),
        },
        path=(*configuration.path, installed),
    )


def _install(folder: Path, source: str, name: str) -> Path:
    folder.mkdir()
    shutil.copy(Path(__file__).with_name(source), folder / name)
    return folder
