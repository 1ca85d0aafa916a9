"""Run `mfa-guard preview` in this process on the local account, and count its calls or let them fail."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from typer.testing import CliRunner, Result

from mfa_guard_cli.main import app
from support.account import Account
from support.aws import Faults

YESTERDAY = timedelta(days=1)


@dataclass
class Command:
    """The command, run with the access key of the administrator."""

    account: Account
    faults: Faults

    def run(self, *arguments: str) -> Result:
        self.faults.made.clear()
        return CliRunner().invoke(app, ["preview", *arguments])

    @property
    def calls(self) -> Counter[str]:
        return Counter(self.faults.made)

    def add_person(self, name: str, *serials: str) -> None:
        self.account.iam.create_user("us-east-1", name)
        self.account.iam.create_login_profile(name, "Not-a-real-passw0rd")
        for serial in serials:
            self.account.iam.enable_mfa_device(name, serial, "", "")

    def add_machine(self, name: str, path: str = "/") -> None:
        iam, clock = self.account.iam, self.account.clock
        iam.create_user("us-east-1", name, path)
        self.account.use_key(name, iam.create_access_key(name).access_key_id, clock.now() - YESTERDAY)
