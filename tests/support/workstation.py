"""Users in a local account that enforces the policies of users, each with a workstation.

The local account does not evaluate the policies of users. Here, calls of users are checked before they reach it:
against every policy that is attached to the user, and against what IAM and STS deny to sessions without MFA.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from unittest.mock import patch

import pexpect
import pyotp
from typer.testing import CliRunner
from werkzeug.wrappers import Response

from mfa_guard_cli.main import app
from mfa_guard_cli.policy.evaluator import Decision, Request, evaluate, parse_policy
from mfa_guard_cli.stack.template import load_template
from mfa_guard_emulator.account import AccountConfig, LocalAccount, run_account
from mfa_guard_emulator.aws.callers import Caller
from mfa_guard_emulator.aws.calls import Call
from mfa_guard_emulator.aws.responses import error
from mfa_guard_emulator.clock import Clock

BIN: Final = Path(sys.executable).parent
REGION: Final = "us-east-1"
EVERYTHING: Final = {"Effect": "Allow", "Action": "*", "Resource": "*"}
# After this time, the next code was never used before.
_NEXT_CODE: Final = timedelta(seconds=60)
_TIMEOUT_SECONDS: Final = 60
_MFA: Final = "aws:MultiFactorAuthPresent"
# https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
_WITHOUT_MFA: Final = frozenset({"GetCallerIdentity", "AssumeRole"})
# The signals that `mfa-guard session` handles while it runs a command.
_HANDLED: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Workstation:
    """A user's workstation: a home folder with an access key, and a shell."""

    home: Path
    name: str
    enforced_account: "EnforcedAccount"
    key: Mapping[str, str]
    seed: str = ""

    @property
    def account(self) -> LocalAccount:
        """Return the local account."""
        return self.enforced_account.account

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the shell."""
        return {
            "HOME": str(self.home),
            "PATH": f"{self.home / 'bin'}{os.pathsep}{BIN}{os.pathsep}{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": self.account.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_DEFAULT_REGION": REGION,
            "TERM": "xterm",
            "LANG": "C.UTF-8",
            "NO_PROXY": "*",
        }

    def configure(self, config: str) -> None:
        """Append to ~/.aws/config."""
        with (self.home / ".aws" / "config").open("a") as file:
            file.write(config)

    def enable_device(self, name: str = "") -> str:
        """Enable a device for the user; return its serial number."""
        iam = self.account.iam
        device = iam.create_virtual_mfa_device(name or self.name, "/")
        iam.enable_mfa_device(self.name, device.serial_number, "", "")
        self.seed = device.base32_string_seed
        return str(device.serial_number)

    def code(self, *, off: float = 0, seed: str = "") -> str:
        """Return the code of an app whose clock is `off` seconds ahead. No code is returned twice."""
        self.account.clock.advance(_NEXT_CODE)
        return self.codes(off=off, seed=seed)[0]

    def codes(self, *, off: float = 0, seed: str = "") -> tuple[str, str]:
        """Return the present and the next code of an app whose clock is `off` seconds ahead."""
        now = self.account.clock.now() + timedelta(seconds=off)
        totp = pyotp.TOTP(seed or self.seed)
        return totp.at(now), totp.at(now, counter_offset=1)

    def run(
        self, *command: str, standard_input: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command without a terminal."""
        return subprocess.run(
            command,
            input=standard_input,
            capture_output=True,
            text=True,
            env=self.environment | environment,
            cwd=self.home,
            check=False,
            timeout=_TIMEOUT_SECONDS,
            start_new_session=True,
        )

    def call(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run mfa-guard in the test's process, which is ten times faster, for a test that needs no process of its own.

        The command must not ask a question, because it would ask at the terminal of pytest.
        """
        handlers = {number: signal.getsignal(number) for number in _HANDLED}
        with patch.dict(os.environ, self.environment | environment, clear=True):
            result = CliRunner().invoke(app, arguments)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command without a terminal."""
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment | environment,
            cwd=self.home,
            start_new_session=True,
        )

    def spawn(self, command: str, **environment: str) -> "pexpect.spawn[str]":
        """Start a line of shell at a terminal of 80 columns, in which the test types."""
        return pexpect.spawn(
            "/bin/sh",
            ["-c", command],
            env=self.environment | environment,
            cwd=str(self.home),
            encoding="utf-8",
            timeout=_TIMEOUT_SECONDS,
            dimensions=(40, 80),
            echo=False,
        )


@dataclass
class EnforcedAccount:
    """The account with checks of policies. `parameters` render the enforcement policy that is checked."""

    account: LocalAccount
    parameters: dict[str, str] = field(default_factory=dict)

    def __call__(self, call: Call, caller: Caller) -> Response | None:
        """Deny what AWS would deny to a user; see `mfa_guard_emulator.aws.gateway.Interceptor`."""
        if caller.user is None or caller.unrecorded or caller.function or call.service not in ("iam", "sts", "s3"):
            return None
        if _mfa(caller) == "false" and not caller.from_console and call.service in ("iam", "sts"):
            return _session_error(call)
        return self._policy_error(call, caller)

    def _policy_error(self, call: Call, caller: Caller) -> Response | None:
        action, user, mfa = f"{call.service}:{call.name}", str(caller.user), _mfa(caller)
        context = {"aws:username": user, "aws:ViaAWSService": "false"} | ({_MFA: mfa} if mfa else {})
        request = Request(action, self._resource(call, caller), context)
        policies = {arn: parse_policy(document) for arn, document in self._policies(user).items()}
        denying = [arn for arn, policy in policies.items() if evaluate([policy], request) is Decision.DENY]
        if call.name == "GetCallerIdentity" or (call.name == "GetSessionToken" and not denying):
            return None
        if not denying and evaluate(policies.values(), request) is Decision.ALLOW:
            return None
        why = f"because no identity-based policy allows the {action} action"
        if denying:
            why = f"with an explicit deny in an identity-based policy: {denying[0]}"
        message = (
            f"User: {caller.identity['arn']} is not authorized to perform: {action} on resource: {request.resource}"
        )
        return error(call, call.service, "AccessDenied", f"{message} {why}")

    def enforce(self, user: str) -> None:
        """Attach the enforcement policy, as the guard does."""
        self.account.iam.attach_user_policy(self._enforcement_policy, user)

    @property
    def _enforcement_policy(self) -> str:
        return f"arn:aws:iam::{self.account.stack.account}:policy/EnrollMFADeviceThenSignInAgain"

    def _policies(self, user: str) -> Mapping[str, Mapping[str, object]]:
        attached = self.account.iam.users[user].managed_policies
        versions = {arn: next(each for each in policy.versions if each.is_default) for arn, policy in attached.items()}
        documents = {arn: json.loads(version.document) for arn, version in versions.items()}
        if self._enforcement_policy in documents and self.parameters:
            stack = load_template().render(parameters=self.parameters)
            documents[self._enforcement_policy] = stack.policy_document("EnforcementPolicy")
        return documents

    def _resource(self, call: Call, caller: Caller) -> str:
        account = self.account.stack.account
        if name := call.parameters.get("VirtualMFADeviceName"):
            return f"arn:aws:iam::{account}:mfa/{name}"
        if call.name == "DeleteVirtualMFADevice":
            return str(call.parameters["SerialNumber"])
        if call.name in ("EnableMFADevice", "GetUser", "ListMFADevices", "ListAccessKeys"):
            user = str(call.parameters.get("UserName", caller.user))
            return str(self.account.iam.users[user].arn)
        return str(call.parameters.get("RoleArn", "*"))


def _session_error(call: Call) -> Response | None:
    if call.name in _WITHOUT_MFA:
        return None
    if call.service == "iam":
        return error(call, "iam", "InvalidClientTokenId", "The security token included in the request is invalid")
    return error(call, call.service, "AccessDenied", f"Cannot call {call.name} with session credentials")


def _mfa(caller: Caller) -> str | None:
    """Return the value of aws:MultiFactorAuthPresent, which requests with a long-term key do not carry."""
    session = caller.identity.get("sessionContext")
    attributes = session.get("attributes") if isinstance(session, Mapping) else None
    return str(attributes["mfaAuthenticated"]) if isinstance(attributes, Mapping) else None


@contextmanager
def open_enforced_account() -> Iterator[EnforcedAccount]:
    """Run a local account with checks of policies.

    Its time stands still until a test skips time, because a slow machine could take longer than a code is valid.
    """
    began = datetime.now(UTC)
    plan = AccountConfig(load_template().render(), port=0, simulated_time=True, create_custom_resource=False)
    with patch.object(Clock, "now", lambda clock: began + clock.skipped), run_account(plan) as account:
        enforced = EnforcedAccount(account)
        account.gateway.intercept = enforced
        # The functions of the guard must not run.
        with account.holding_events():
            yield enforced
        assert not account.failures, "\n".join(account.failures)


def new_workstation(
    enforced: EnforcedAccount, home: Path, name: str, *, enforce: bool = True, grants: Sequence[object] = ()
) -> Workstation:
    """Return the workstation of a new user, whose access key is in the credentials file.

    `enforce` attaches the enforcement policy. `grants` are statements of a further policy.
    """
    iam = enforced.account.iam
    iam.create_user(REGION, user_name=name)
    key = iam.create_access_key(name)
    if enforce:
        enforced.enforce(name)
    if grants:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(grants)})
        policy = iam.create_policy("", "/", document, f"{name}-may", [])
        iam.attach_user_policy(policy.arn, name)
    (home / ".aws").mkdir()
    (home / ".aws" / "credentials").write_text(
        f"[default]\naws_access_key_id = {key.access_key_id}\naws_secret_access_key = {key.secret_access_key}\n"
    )
    return Workstation(home, name, enforced, {"id": key.access_key_id, "secret": key.secret_access_key})
