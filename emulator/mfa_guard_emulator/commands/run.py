"""`mfa-guard-local run`: run the local account until Ctrl-C."""

import io
import os
import signal
import sys
import threading
from types import FrameType
from typing import Annotated

import typer

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_emulator.endpoint import DEFAULT_PORT


def run(
    *,
    port: Annotated[
        int, typer.Option("--port", help="Port on this machine; 0 takes any free port.", min=0, max=65535)
    ] = DEFAULT_PORT,
    runtime: Annotated[
        str,
        typer.Option(
            "--runtime", help="source: run the functions of the working tree. lambda: run what sam build made."
        ),
    ] = "source",
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", metavar="NAME=VALUE", help="A parameter of the stack, such as Mode=all."),
    ] = None,
    duplicate: Annotated[bool, typer.Option("--duplicate", help="Deliver every event twice.")] = False,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Deliver events out of order.")] = False,
    lose: Annotated[
        float, typer.Option("--lose", metavar="PERCENT", help="Lose this percentage of the events.", min=0, max=100)
    ] = 0.0,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Seed of the delivery faults: the same seed repeats them.")
    ] = None,
    brief: Annotated[bool, typer.Option("--brief", help="Show only the subjects of mails.")] = False,
    logs: Annotated[bool, typer.Option("--logs", help="Show the output of the functions: logs and metrics.")] = False,
) -> None:
    """Run an AWS account with mfa-guard on this machine, until Ctrl-C.

    It needs no AWS account, no Docker and no network.

    Exit codes: 0 stopped by Ctrl-C, 1 the local account itself had an error, 2 it could not start.
    """
    # A command imports what it needs when it is called, because moto takes half a second.
    from mfa_guard_cli.stack.template import load_template
    from mfa_guard_emulator.aws.delivery import DeliveryFaults
    from mfa_guard_emulator.aws.resources import AccountError
    from mfa_guard_emulator.console.terminal import RUNNERS, new_config, run_until
    from mfa_guard_emulator.functions.runtime import NotBuilt

    if runtime not in RUNNERS:
        raise WrongUse(f"There is no runtime {runtime!a}; use {' or '.join(RUNNERS)}.")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    stop = threading.Event()
    _stop_on_signals(stop)
    config = new_config(
        load_template(),
        port=port,
        runtime=runtime,
        parameters=_parameters(parameter or []),
        delivery_faults=DeliveryFaults(duplicate=duplicate, shuffle=shuffle, lose=lose, seed=seed),
    )
    try:
        failures = run_until(stop, config, brief=brief, logs=logs)
    except (AccountError, NotBuilt) as error:
        raise WrongUse(str(error)) from error
    if failures:
        raise typer.Exit(1)


def _parameters(given: list[str]) -> dict[str, str]:
    if wrong := next((each for each in given if "=" not in each), None):
        raise WrongUse(f"--parameter needs NAME=VALUE, not {wrong!a}.")
    return {name: value for name, _, value in (each.partition("=") for each in given)}


def _stop_on_signals(stop: threading.Event) -> None:
    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            # A second Ctrl-C ends the process at once.
            os._exit(130)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
