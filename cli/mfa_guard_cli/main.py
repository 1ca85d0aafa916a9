"""The command line: the group of its commands."""

from mfa_guard_cli.commands import administration
from mfa_guard_cli.commands.doctor import doctor
from mfa_guard_cli.commands.enroll import enroll
from mfa_guard_cli.commands.preview import preview
from mfa_guard_cli.commands.replay import replay
from mfa_guard_cli.commands.session import session
from mfa_guard_cli.common.group import new_app

app = new_app("Enforce MFA for the IAM users of one AWS account: tools around the mfa-guard stack.")
app.command()(preview)
app.command()(replay)
app.command()(enroll)
# The first word that is no option begins the command, whose options are its own.
app.command(context_settings={"allow_interspersed_args": False})(session)
app.command()(doctor)
administration.register(app)
