"""`mfa-guard-local run`: an AWS account with the guard in it, on this machine."""

import io
import json
import os
import shlex
import signal
import sys
import threading
from importlib.util import find_spec
from types import FrameType
from typing import Annotated, Final
from urllib import error as http_error
from urllib import request as http

import typer

from mfa_guard_cli.common.errors import WrongUse

# What a checkout installs and the program alone does not.
NEEDED: Final = ("moto", "awslambdaric", "pyotp", "aws_lambda_powertools")
_DEFAULT_PORT: Final = 4747
# What botocore would prefer to the variables, or fail for.
UNSET: Final = "unset AWS_SESSION_TOKEN AWS_SECURITY_TOKEN AWS_PROFILE AWS_DEFAULT_PROFILE"
_PAGE: Final = "_mfa-guard/"
_ROOTS: Final = ("root", "administrator")
_TIMEOUT_SECONDS: Final = 30

Port = Annotated[int, typer.Option("--port", help="Port on loopback.", min=0, max=65535)]


def run(
    *,
    port: Port = _DEFAULT_PORT,
    runtime: Annotated[
        str, typer.Option("--runtime", help="source: the working tree's handlers. lambda: what sam build made.")
    ] = "source",
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", metavar="NAME=VALUE", help="A parameter of the stack, such as Mode=all."),
    ] = None,
    duplicate: Annotated[bool, typer.Option("--duplicate", help="Deliver every event twice.")] = False,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Deliver events out of order.")] = False,
    lose: Annotated[
        float, typer.Option("--lose", metavar="PERCENT", help="Lose so many of the events.", min=0, max=100)
    ] = 0.0,
    seed: Annotated[int | None, typer.Option("--seed", help="Make the same bad delivery again.")] = None,
    brief: Annotated[bool, typer.Option("--brief", help="Leave the mails' texts out.")] = False,
    logs: Annotated[bool, typer.Option("--logs", help="Show what the functions print: logs and metrics.")] = False,
) -> None:
    """Run an AWS account with the guard in it on this machine, until Ctrl-C.

    No AWS account, no Docker, no network. Exit codes: 0 ended by Ctrl-C, 1 the local account itself failed at some
    time, 2 it could not begin.
    """
    need_what_runs_it()
    # Only this command pays for moto, and the others must run without it.
    from mfa_guard_cli.stack.template import load_template
    from mfa_guard_emulator.aws.delivery import DeliveryFaults
    from mfa_guard_emulator.aws.resources import AccountError
    from mfa_guard_emulator.console.terminal import RUNNERS, new_plan, run_until
    from mfa_guard_emulator.functions.runtime import NotBuilt

    if runtime not in RUNNERS:
        raise WrongUse(f"There is no runtime {runtime!a}; say {' or '.join(RUNNERS)}.")
    stop = threading.Event()
    _on_signals(stop)
    plan = new_plan(
        load_template(),
        port=port,
        runtime=runtime,
        parameters=_parameters(parameter or []),
        delivery_faults=DeliveryFaults(duplicate=duplicate, shuffle=shuffle, lose=lose, seed=seed),
    )
    try:
        failures = run_until(stop, plan, brief=brief, logs=logs)
    except (AccountError, NotBuilt) as error:
        raise WrongUse(str(error)) from error
    if failures:
        raise typer.Exit(1)


def sweep(*, port: Port = _DEFAULT_PORT) -> None:
    """Let the time of the sweep's schedule come, in the local account that is running."""
    _post(port, "sweep", {})
    typer.echo("The schedule fired; the digest, if there is news, is in the inbox.")


def sign_in(
    user: Annotated[str, typer.Argument(help="root, or the name of an IAM user.")] = "root",
    *,
    mfa: Annotated[bool, typer.Option("--mfa", help="With an MFA code.")] = False,
    port: Port = _DEFAULT_PORT,
) -> None:
    """Let root or a user sign in to the console, in the local account that is running."""
    _post(port, "sign-in", {"user": "" if user == "root" else user, "mfa": mfa})
    typer.echo(f"{user} signed in {'with' if mfa else 'without'} MFA.")


def env(
    who: Annotated[str, typer.Argument(help="administrator or root.")] = "administrator",
    *,
    port: Port = _DEFAULT_PORT,
) -> None:
    """Print what makes a shell call the local account: eval "$(mfa-guard-local env)"."""
    if who not in _ROOTS:
        raise WrongUse(f"There is no key for {who!a}; say administrator or root, and make keys for others yourself.")
    for name, value in environment(f"http://localhost:{port}", who).items():
        typer.echo(f"export {name}={shlex.quote(value)}")
    typer.echo(UNSET)


def environment(endpoint: str, who: str = "administrator") -> dict[str, str]:
    """Return the variables that make a client call the local account as somebody."""
    from mfa_guard_emulator.aws.keys import ADMINISTRATOR_KEY, ROOT_KEY

    key_id, secret = ROOT_KEY if who == "root" else ADMINISTRATOR_KEY
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
    }


def need_what_runs_it() -> None:
    """Raise WrongUse when the packages that only a checkout installs are missing."""
    if missing := [module for module in NEEDED if find_spec(module) is None]:
        raise WrongUse(f"The local account needs {', '.join(missing)}; run it from a checkout with: make local")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace", line_buffering=True)


def _parameters(given: list[str]) -> dict[str, str]:
    if wrong := next((each for each in given if "=" not in each), None):
        raise WrongUse(f"--parameter takes NAME=VALUE, not {wrong!a}.")
    return {name: value for name, _, value in (each.partition("=") for each in given)}


def _on_signals(stop: threading.Event) -> None:
    def end(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            # Whoever asks twice does not want to wait.
            os._exit(130)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def _post(port: int, name: str, body: dict[str, object]) -> None:
    url = f"http://localhost:{port}/{_PAGE}{name}"
    headers = {"Content-Type": "application/json", "X-Mfa-Guard": "yes"}
    post = http.Request(url, json.dumps(body).encode(), headers, method="POST")
    try:
        http.build_opener(http.ProxyHandler({})).open(post, timeout=_TIMEOUT_SECONDS).close()
    except http_error.HTTPError as error:
        raise WrongUse(error.read().decode("utf-8", "replace").strip()) from error
    except OSError as error:
        raise WrongUse(f"No local account answers on port {port}; start one with: mfa-guard-local run") from error
