"""Announce and deactivate access keys, after the digest that says so is sent."""

from contextlib import suppress
from functools import partial

from mfa_guard.core.account.key_deactivation import DeactivationStep
from mfa_guard.core.errors import AwsRequestFailed, QuotaExceeded, UserGone
from mfa_guard.core.metrics import Metric
from mfa_guard.core.plan import Rule, deciding_rule
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.user import WARNED_TAG, Field
from mfa_guard.use_cases.enforcement import quota_text
from mfa_guard.use_cases.load import load
from mfa_guard.use_cases.sweep.dependencies import Findings, KeyStep, SweepRound, in_threads
from mfa_guard.use_cases.sweep.treat import AnotherUser, confirm_identity, same_user

_EXEMPT = {Rule.EXEMPT_BY_PATH, Rule.EXEMPT_BY_RECORD}


def take_key_steps(this_round: SweepRound, findings: Findings) -> tuple[str, ...]:
    """Take the steps that the digest announced, and return a line for each step that was not possible."""
    results = in_threads(partial(_take, this_round=this_round), findings.key_steps, this_round.dependencies.workers)
    findings.count(Metric.KEYS_DEACTIVATED, sum(deactivated for _, deactivated in results))
    return tuple(line for line, _ in results if line)


def _take(step: KeyStep, this_round: SweepRound) -> tuple[str | None, int]:
    """Return why the step was not taken, and how many keys were deactivated."""
    name = step.assessment.state.name
    try:
        if step.assessment.key_deactivation.step is DeactivationStep.ANNOUNCE:
            this_round.dependencies.iam.warn(name, this_round.dependencies.clock.now())
            return None, 0
        return _deactivate(step, this_round)
    except (UserGone, AnotherUser):
        return f"{name}: the user was deleted or renamed, so no access key was deactivated.", 0
    except QuotaExceeded as refused:
        return f"{name}: the tags cannot be set. IAM said: {quota_text(refused)}.", 0
    except AwsRequestFailed as refused:
        return f"{name}: {sanitize(str(refused), 300)}", 0


def _deactivate(step: KeyStep, this_round: SweepRound) -> tuple[str | None, int]:
    """Deactivate the keys of a user who is still the announced one, without a device and not exempt."""
    dependencies = this_round.dependencies
    state = load(confirm_identity(step.assessment.state, this_round), Field.DEVICES, dependencies.iam)
    if state.has_device() or deciding_rule(state, this_round.settings, dependencies.clock.now()) in _EXEMPT:
        return f"{state.name}: no access key was deactivated, as the user now has a device or is exempt.", 0
    deactivated = 0
    for key in step.keys:
        # One key that no longer exists does not stop the others.
        with suppress(UserGone):
            dependencies.keys.deactivate(state.name, key)
            deactivated += 1
    # A key that an administrator activates again is announced again before it is deactivated again.
    dependencies.iam.clear(state.name, [WARNED_TAG])
    try:
        same_user(state, dependencies.iam)
    except AnotherUser:
        return f"{state.name}: another user got this name while access keys were deactivated.", deactivated
    return None, deactivated
