"""The program mfa-guard-local: an AWS account with mfa-guard on this machine, for development."""

from mfa_guard_cli.common.group import new_app
from mfa_guard_emulator.commands.demo import demo
from mfa_guard_emulator.commands.env import env
from mfa_guard_emulator.commands.run import run
from mfa_guard_emulator.commands.sign_in import sign_in
from mfa_guard_emulator.commands.sweep import sweep

app = new_app("Run mfa-guard in an AWS account on this machine: no AWS account, no Docker, no network.")
app.command()(demo)
app.command()(run)
app.command()(env)
app.command()(sweep)
app.command("sign-in")(sign_in)
