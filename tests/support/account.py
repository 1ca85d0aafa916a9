"""An AWS account in this process, for handlers that run in it too: moto, with the resources of the template."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final
from unittest.mock import patch

import boto3
import botocore.session
from botocore.loaders import Loader, create_loader
from moto import mock_aws
from moto.iam.models import IAMBackend, iam_backends
from moto.sns.models import SNSBackend, sns_backends

from mfa_guard_cli.stack.template import Stack
from mfa_guard_emulator.aws.baseline import ADMINISTRATOR as ADMINISTRATOR  # noqa: PLC0414 - whose session it is
from mfa_guard_emulator.aws.iam_reads import IamReads
from mfa_guard_emulator.aws.key_use import record_key_use
from mfa_guard_emulator.aws.moto_patches import patch_moto
from mfa_guard_emulator.aws.resources import Clients, create_all
from mfa_guard_emulator.clock import Clock

# What the handlers need. `create_baseline` adds what a sweep checks, which would take time in every test.
_CREATED: Final = frozenset(
    {
        "AWS::DynamoDB::Table",
        "AWS::IAM::Group",
        "AWS::IAM::ManagedPolicy",
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
        "AWS::SQS::Queue",
    }
)

# The prefixes of environment variables that must not reach the tests.
_REMOVED: Final = ("AWS_", "BOTO_", "MOTO_", "POWERTOOLS_")


@dataclass(frozen=True)
class Account:
    """An open account. `session` belongs to ADMINISTRATOR."""

    stack: Stack
    session: boto3.Session
    clients: Clients
    iam_reads: IamReads
    clock: Clock

    @property
    def iam(self) -> IAMBackend:
        """Return moto's IAM, which has the current state even if reads do not show it yet."""
        return iam_backends[self.stack.account][self.stack.partition]

    @property
    def sns(self) -> SNSBackend:
        """Return moto's SNS, which keeps the messages that were sent."""
        return sns_backends[self.stack.account][self.stack.region]

    def advance(self, span: timedelta) -> None:
        """Let time pass, after which IAM's reads show the current state."""
        self.clock.advance(span)
        self.iam_reads.become_consistent()

    def use_key(self, user: str, key_id: str, when: datetime) -> None:
        """Set when an access key of an established user was last used, for which there is no API."""
        record_key_use(self.iam, self.stack.region, user, key_id, when)


@contextmanager
def open_account(stack: Stack) -> Iterator[Account]:
    """Create the stack's resources in an empty account, which is boto3's default until the end.

    Raises AccountError if a resource of a supported type cannot be created as declared.
    """
    with ExitStack() as exits:
        exits.enter_context(mock_aws())
        exits.enter_context(patch.dict(os.environ, _environment(stack), clear=True))
        clock = Clock()
        iam_reads = exits.enter_context(patch_moto(clock.now))
        session = _administrator(stack)
        exits.enter_context(patch("boto3.DEFAULT_SESSION", session))
        clients = Clients(session)
        create_all(clients, stack, _CREATED)
        yield Account(stack, session, clients, iam_reads, clock)


def _environment(stack: Stack) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_REMOVED)}
    return kept | {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_DEFAULT_REGION": stack.region,
        "AWS_REGION": stack.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "MOTO_ACCOUNT_ID": stack.account,
    }


def _administrator(stack: Stack) -> boto3.Session:
    iam = iam_backends[stack.account][stack.partition]
    iam.create_user(stack.region, user_name=ADMINISTRATOR)
    key = iam.create_access_key(user_name=ADMINISTRATOR)
    core = botocore.session.get_session()
    core.register_component("data_loader", _service_models())
    return boto3.Session(
        aws_access_key_id=key.access_key_id, aws_secret_access_key=key.secret_access_key, botocore_session=core
    )


@cache
def _service_models() -> Loader:
    """Return the loader of botocore's service models, which are the same for every account and slow to load."""
    return create_loader()
