"""Reach a running local account: the shell variables for other programs, and requests from the commands."""

import json
from collections.abc import Mapping
from typing import Final
from urllib import error as http_error
from urllib import request as http

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_emulator.endpoint import ADMINISTRATOR_KEY, HOST, PAGE_PATH, ROOT_KEY

# botocore would use these variables before the exported ones, or fail because of them.
UNSET: Final = "unset AWS_SESSION_TOKEN AWS_SECURITY_TOKEN AWS_PROFILE AWS_DEFAULT_PROFILE"
# A page of another site can send a form to any address, but not this header.
COMMAND_HEADER: Final = "X-Mfa-Guard"
KEYS: Final = {"administrator": ADMINISTRATOR_KEY, "root": ROOT_KEY}
_TIMEOUT_SECONDS: Final = 30


def endpoint(port: int) -> str:
    """Return the URL of the local account on a port."""
    return f"http://{HOST}:{port}"


def environment(url: str, caller: str = "administrator") -> dict[str, str]:
    """Return the variables with which AWS clients call the local account. `caller` is a name in KEYS."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        **KEYS[caller].environment(),
    }


def post(port: int, action: str, body: Mapping[str, object]) -> None:
    """Ask the running account to do something; raises WrongUse when it refuses, or does not answer."""
    headers = {"Content-Type": "application/json", COMMAND_HEADER: "yes"}
    url = f"{endpoint(port)}{PAGE_PATH}{action}"
    request = http.Request(url, json.dumps(body).encode(), headers, method="POST")  # noqa: S310 - http on this machine
    try:
        http.build_opener(http.ProxyHandler({})).open(request, timeout=_TIMEOUT_SECONDS).close()
    except http_error.HTTPError as error:
        raise WrongUse(error.read().decode("utf-8", "replace").strip()) from error
    except OSError as error:
        raise WrongUse(f"No local account answers on port {port}; start one with: mfa-guard-local run") from error
