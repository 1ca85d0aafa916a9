"""The program mfa-guard: the group of its commands."""

from typing import Final

from mfa_guard_cli.commands.dead_letters import dead_letters
from mfa_guard_cli.commands.doctor import doctor
from mfa_guard_cli.commands.enforce import enforce
from mfa_guard_cli.commands.enroll import enroll
from mfa_guard_cli.commands.exempt import exempt
from mfa_guard_cli.commands.explain import explain
from mfa_guard_cli.commands.preview import preview
from mfa_guard_cli.commands.release import release
from mfa_guard_cli.commands.replay import replay
from mfa_guard_cli.commands.session import session
from mfa_guard_cli.commands.start import start
from mfa_guard_cli.commands.status import status
from mfa_guard_cli.commands.stop import stop
from mfa_guard_cli.commands.sweep import sweep
from mfa_guard_cli.common.group import new_app

_EPILOG: Final = """\
Exit codes: 0 success, 1 the command found something, 2 wrong use, 3 an AWS request failed. An error is one sentence on
standard error.

Output for programs (--format json or csv) is alone on standard output; questions and progress go to standard error.
Colors and progress bars appear on terminals only.

Credentials come from the places where the AWS CLI looks; --profile names a profile. Commands that work with the
mfa-guard stack look for it in the AWS Region that receives IAM's events, us-east-1 in most accounts; --region and
--stack name another one.

Completion for bash, zsh, fish and PowerShell: run mfa-guard --install-completion, then open a new shell."""

app = new_app("Enforce MFA for the IAM users of one AWS account: tools for the mfa-guard stack.", epilog=_EPILOG)
app.command()(preview)
app.command()(replay)
app.command()(enroll)
# The first word that is not an option begins the command to run. Options after it belong to that command.
app.command(context_settings={"allow_interspersed_args": False})(session)
app.command()(doctor)
app.command()(status)
app.command()(explain)
app.add_typer(exempt, name="exempt")
app.command()(release)
app.command()(enforce)
app.command()(sweep)
app.add_typer(dead_letters, name="dead-letters")
app.command()(stop)
app.command()(start)
