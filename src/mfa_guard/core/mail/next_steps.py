"""What a notice about a user asks its reader to do: the next steps, and the commands for them."""

from typing import Final

from mfa_guard.core.exemption import Exemption
from mfa_guard.core.mail.layout import sign_in
from mfa_guard.core.mail.notice_context import NoticeContext
from mfa_guard.core.mail.shell_commands import (
    enforce_again_command,
    enforce_command,
    exempt_command,
    remove_device_command,
    undo_command,
)
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.user_record import Standing

# Notices about a user who is enforced, or would be, and may have no device yet.
_BLOCKS_USER: Final = {
    NoticeKind.NONCOMPLIANT,
    NoticeKind.NEW_CREDENTIAL,
    NoticeKind.ENFORCEMENT_REMOVED,
    NoticeKind.TAGS_CHANGED,
    NoticeKind.SIGNED_IN,
}
# Notices that offer the undo command even if an earlier attempt, and not this one, enforced.
_OFFERS_UNDO: Final = _BLOCKS_USER | {NoticeKind.ENFORCED, NoticeKind.NOT_ENFORCED, NoticeKind.NOT_TAGGED}


def next_steps(kind: NoticeKind, context: NoticeContext) -> list[str]:
    """Return what the administrators and the user should do, a step each."""
    name = context.name
    steps = {
        NoticeKind.DECISION: [
            f"Decide: exempt {name} with an owner and an expiry time, or enforce after the machine uses a role or MFA. "
            "Both commands are below.",
        ],
        NoticeKind.ENFORCED: [_machine_depends(context)],
        NoticeKind.DEVICE_ENROLLED: [_contain(context)],
        NoticeKind.DEVICE_REMOVED: [
            f"If {name} did not want this, deactivate the credentials of {context.actor}, and enroll the device again."
        ],
        NoticeKind.SIGNED_IN: [
            f"Ask {name} whether this sign-in was theirs. If it was not, delete the password of {name} or set another "
            "one, and check what was done in the session."
        ],
        NoticeKind.ENROLLMENT_BLOCKED: [
            f"Allow iam:CreateVirtualMFADevice and iam:EnableMFADevice for {name} in the boundary, or give {name} "
            "another boundary."
        ],
        NoticeKind.NOT_ENFORCED: [
            "Restore the enforcement policy or group: the drift of the stack shows what is missing."
            if context.result.retry
            else f"Detach a policy from {name}, or remove {name} from a group.",
            f"mfa-guard tries again at the next event about {name}.",
        ],
        NoticeKind.NOT_TAGGED: [
            f"Remove a tag from {name}: IAM allows 50 tags for each user.",
            f"mfa-guard tries again at the next event about {name}.",
        ],
        NoticeKind.ENFORCEMENT_REMOVED: [
            f"If the removal was planned, record an exemption for {name}: mfa-guard does not enforce MFA for exempt "
            "users."
        ],
        NoticeKind.SOLVED: [
            f"{name} must sign out and sign in again: a session from before the enrollment stays without MFA."
        ],
        NoticeKind.RELEASED: [_not_exempt(context)],
    }.get(kind, [])
    if kind in _BLOCKS_USER and context.state.devices == ():
        return [*steps, *_enrollment(context)]
    return steps


def _contain(context: NoticeContext) -> str:
    name, actor, key_id = context.name, context.actor, context.event.record.actor.key_id
    ask = f"Ask {name} whether the device is theirs." if context.event.by_subject else f"Ask {actor} about it."
    key = f" and deactivate the access key {sanitize(key_id, 128)} of {actor}" if key_id else f" and contain {actor}"
    return f"{ask} If this was not planned, remove the device{key}."


def _not_exempt(context: NoticeContext) -> str:
    name = context.name
    if isinstance(context.state.exemption, Exemption):
        end = "delete the exemption"
    else:
        end = f"move {name} to another path, or change the stack's parameter ExemptPathPrefixes"
    return f"If {name} should not be exempt, {end}. mfa-guard then decides again at the next event about {name}."


def _machine_depends(context: NoticeContext) -> str:
    condition = f"If a machine uses an access key of {context.name}"
    if context.settings.writes:
        return f"{condition}, undo with the command below and give the machine a role."
    return f"{condition}, give the machine a role before you change the mode."


def _enrollment(context: NoticeContext) -> list[str]:
    name, state = context.name, context.state
    sessions = (
        "After that, access keys need an MFA session: aws sts get-session-token --serial-number ARN --token-code CODE. "
        "A passkey has no codes: a user with only a passkey runs aws login instead."
    )
    if state.password is not False:
        first = (
            f"{name} must enroll an MFA device: sign in at {sign_in(context.settings)}, open Security credentials, "
            "choose Assign MFA device, then sign out and sign in again."
        )
        return [first, sessions]
    if isinstance(state.keys, tuple) and not any(key.active for key in state.keys):
        return [
            f"{name} cannot sign in yet. When {name} has a password or an access key, {name} can enroll an MFA device."
        ]
    first = (
        f"{name} has no console password. If the stack's parameter AllowEnrollmentWithAccessKeys is yes, {name} can "
        "enroll an MFA device with an access key: aws iam create-virtual-mfa-device, then aws iam enable-mfa-device "
        "with two codes."
    )
    return [first, sessions]


def commands(kind: NoticeKind, context: NoticeContext) -> dict[str, str]:
    """Return the AWS CLI commands that the notice offers, by their key in COMMAND_HEADINGS."""
    state, settings, undo = context.state, context.settings, _undoing(kind, context)
    if kind is NoticeKind.DECISION:
        reason = "active machine user, decided after an mfa-guard notice"
        return {
            "exempt": exempt_command(state, settings, context.now, reason),
            "enforce": enforce_command(state, settings),
        }
    if kind is NoticeKind.DEVICE_ENROLLED:
        return _removing_device(context) | undo
    if kind is NoticeKind.RELEASED and settings.writes and isinstance(state.exemption, Exemption):
        return {"enforce_again": enforce_again_command(state, settings)}
    if kind is NoticeKind.NOT_ENFORCED and not context.is_enforced:
        return {"enforce": enforce_command(state, settings)}
    return undo


def _removing_device(context: NoticeContext) -> dict[str, str]:
    # The command contains only a serial number that IAM lists: the serial number in the event can hold any text.
    devices, serial = context.state.devices, context.event.device
    listed = [device.serial for device in devices] if isinstance(devices, tuple) else []
    return {"remove_device": remove_device_command(context.state, serial)} if serial in listed else {}


def _undoing(kind: NoticeKind, context: NoticeContext) -> dict[str, str]:
    route = context.result.route
    routes = (route,) if route else context.routes_before
    offered = (route or kind in _OFFERS_UNDO) and context.plan.standing is not Standing.EXEMPT
    if not routes or not offered or not context.settings.writes:
        return {}
    return {"undo": undo_command(context.state, routes, context.settings, context.now)}
