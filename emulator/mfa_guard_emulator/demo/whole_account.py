"""The second chapter: the whole account, as sweeps find it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import chain
from typing import Final

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.mail.digest import KIND as DIGEST
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard_cli.stack.template import Fields
from mfa_guard_emulator.aws.surroundings import TRAIL
from mfa_guard_emulator.demo.actors import key_user
from mfa_guard_emulator.demo.expectations import Budget, Expected, Sends, Stands, Wakes
from mfa_guard_emulator.demo.harness import Harness, ScenarioBroken
from mfa_guard_emulator.demo.one_by_one import CAROL, NADIA, PARAMETERS, create_roles, update_stack
from mfa_guard_emulator.demo.population import GROUPS, delete_exemption, names, populate, record_exemption
from mfa_guard_emulator.demo.scenario import Scenario, Step

# Whoever has a machine's access key.
MACHINES_KEY: Final = key_user("machine-01", address="203.0.113.50")

_SWEEP: Final = "SweepFunction"
_ALERT: Final = "AlertFunction"
_REQUESTED: Final = Wakes(f"{_SWEEP}SweepRequested", _SWEEP)
_DAILY: Final = Wakes(f"{_SWEEP}Daily", _SWEEP)
_EXEMPTED: Final = Wakes(f"{_ALERT}ExemptionChanged", _ALERT)
# Whoever is released comes back as an event, and is left alone as exempt.
_DRIFT: Final = Wakes("UserEventFunctionEnforcementRemoved", "UserEventFunction")

# As IAM cuts long lists.
_ROWS: Final = 100
_EVERYBODY: Final = tuple(chain.from_iterable(crowd.names for crowd in GROUPS))

_TO_USER: Final = Stands(frozenset({AttachmentRoute.DIRECT}))
_MARKED: Final = Stands(frozenset({AttachmentRoute.DIRECT}), marked=True)
_WITH_DEVICE: Final = Stands(frozenset({AttachmentRoute.DIRECT}), devices=1)

# What an account of this size may cost when there is nothing to do, the guard's own health among it: the promise is
# 30 calls for 1,000 users in pages of 100.
_FLOOR: Final = 30
_PER_CHANGE: Final = 3
# For a user without a password whose report shows no recent use of a key.
_MORE: Final = 4
_WITHOUT_USE: Final = 21

# Whom the first sweep has to change: everybody but the exempt users who stand as they should.
_TO_CHANGE: Final = 184
_LOST: Final = tuple(f"phone-{number:02}" for number in range(1, 61))
_SCP: Final = "with an explicit deny in a service control policy"


def _ends(stands: Stands | None, *labels: str) -> Mapping[str, Stands | None]:
    return dict.fromkeys(names(*labels), stands)


def _digest(severity: Severity, *words: str, lacks: tuple[str, ...] = ()) -> Sends:
    return Sends(DIGEST, severity, words, lacks)


def _gauges(
    compliant: int, noncompliant: int, exempt: int, enforced: int, oldest: int, problems: int = 0
) -> Mapping[str, int]:
    return {
        "UsersCompliant": compliant,
        "UsersNoncompliant": noncompliant,
        "UsersExempt": exempt,
        "UsersUnderEnforcement": enforced,
        "OldestNoncompliantDays": oldest,
        "HealthProblems": problems,
    }


def prepare(harness: Harness) -> None:
    """Fill the account, and let everything that the guard leans on be well."""
    populate(harness.account)
    create_roles(harness)
    harness.account.lag.shorten_pages(_ROWS)
    harness.ignore_changes()


def _carol_asks(harness: Harness) -> None:
    harness.paste_output(CAROL, "StartSweep")


def _all_is_enforced(harness: Harness) -> None:
    update_stack(harness, NADIA, Mode="all")
    iam = harness.account.iam
    harness.wire.overtake("dora", lambda: iam.delete_user("dora"))
    harness.wire.deny("AttachUserPolicy", "dennis", _SCP)
    harness.fire(_DAILY.rule)


def _failures_are_mended(harness: Harness) -> None:
    harness.wire.allow("AttachUserPolicy", "dennis")
    with harness.acting(CAROL):
        harness.iam.remove_user_from_group(UserName="heidi", GroupName="team-0")
    record_exemption(harness.account, "olga", timedelta(days=60))
    _carol_asks(harness)


def _a_day_passes(harness: Harness) -> None:
    harness.let_pass(timedelta(days=1))
    harness.fire(_DAILY.rule)


def _events_are_lost(harness: Harness) -> None:
    harness.let_pass(timedelta(days=1))
    policy = str(harness.account.stack.resolve({"Ref": "EnforcementPolicy"}))
    with harness.acting(MACHINES_KEY):
        harness.clients.cloudtrail.stop_logging(Name=TRAIL)
        for name in _LOST:
            harness.iam.detach_user_policy(UserName=name, PolicyArn=policy)
    with harness.acting(CAROL):
        for name in ("phone-01", "passkey-01"):
            [serial] = harness.account.iam.users[name].mfa_devices
            harness.iam.deactivate_mfa_device(UserName=name, SerialNumber=serial)
    delete_exemption(harness.account, "exempt-01")
    harness.wire.slow_down(timedelta(seconds=8))
    harness.fire(_DAILY.rule)


def until_the_trail_stops(envelopes: Sequence[Fields]) -> Sequence[Fields]:
    """Let nothing arrive that happens after somebody stopped the trail."""
    last = next(number for number, each in enumerate(envelopes) if _name(each) == "StopLogging")
    return envelopes[: last + 1]


def _name(envelope: Fields) -> object:
    detail = envelope["detail"]
    return detail.get("eventName") if isinstance(detail, Mapping) else None


def _a_week_passes(harness: Harness) -> None:
    with harness.acting(CAROL):
        harness.clients.cloudtrail.start_logging(Name=TRAIL)
    harness.let_pass(timedelta(days=7))
    harness.fire(_DAILY.rule)


def _protection_is_lifted(harness: Harness) -> None:
    with harness.acting(CAROL):
        harness.clients.any("cloudformation").update_termination_protection(
            StackName=harness.account.stack.name, EnableTerminationProtection=False
        )


def _stack_is_deleted(harness: Harness) -> None:
    name = harness.account.stack.name
    with harness.acting(CAROL):
        cloudformation = harness.clients.any("cloudformation")
        cloudformation.delete_stack(StackName=name)
        harness.wait_until(
            lambda: harness.account.cloudformation.status != "DELETE_IN_PROGRESS", "The stack is not deleted"
        )
    if harness.account.cloudformation.status != "DELETE_COMPLETE":
        raise ScenarioBroken(f"The stack is not deleted: {harness.account.cloudformation.reason}")


_STEPS: Final[tuple[Step, ...]] = (
    Step(
        "A sweep in Mode: events",
        "carol pastes the command from the stack's output StartSweep. In this mode a sweep changes nobody; it mails"
        " what enforcing would do.",
        (),
        _carol_asks,
        Expected(
            wakes=(_REQUESTED,),
            mails=(
                _digest(
                    Severity.MEDIUM,
                    "79 of 200 users",
                    "104 compliant",
                    "17 exempt",
                    "changed nothing in IAM",
                    "phone-01 (console password): would be enforced",
                    "nodevice-01 (console password): would be enforced, would be tagged noncompliant",
                    "keyed-01 (console password): would be enforced; would stop working without MFA",
                    "machine-01: ",
                    "rita (console password): would be released",
                    "wanda: exempt until",
                    "ivan: 100 days",
                    "fine: termination protection",
                    lacks=("cannot verify", "problem"),
                ),
            ),
            counted={"NoticesSent": 1, "SweepFinished": 1},
            measured=_gauges(104, 79, 17, enforced=1, oldest=100),
            budget=Budget(_SWEEP, _FLOOR, users=0),
        ),
    ),
    Step(
        "Mode: all enforces",
        "nadia updates the stack, and the schedule's time comes. Everybody who should be is enforced. While the sweep"
        " runs, somebody deletes dora; dennis is out of its reach; heidi has no room for a policy or a group. None of"
        " them stops the others.",
        (),
        _all_is_enforced,
        Expected(
            wakes=(Wakes(f"{_ALERT}StackChange", _ALERT), _DAILY),
            users={
                **_ends(_WITH_DEVICE, "password, phone", "password, passkey", "phone, key at work"),
                **_ends(_MARKED, "password only", "idle key only", "nothing", "tagged long ago"),
                **_ends(Stands(marked=True), "key at work only", "and 10 groups"),
                **_ends(Stands(frozenset({AttachmentRoute.GROUP}), marked=True), "10 policies"),
                **_ends(Stands(frozenset({AttachmentRoute.DIRECT}), marked=True, exempt=True), "record malformed"),
                **_ends(Stands(exempt=True), "exempt, yet bound"),
                **_ends(None, "soon deleted"),
            },
            mails=(
                Sends(NoticeKind.STACK_CHANGE, None, ("UpdateStack", "mfa-guard", "nadia@example.com")),
                _digest(
                    Severity.HIGH,
                    "78 of 199 users",
                    "2 problems",
                    "heidi: ",
                    "PoliciesPerUser",
                    "GroupsPerUser",
                    "dennis: AccessDenied",
                    _SCP,
                    "dora: deleted",
                    "nodevice-40: enforced (policy attached); will be tagged noncompliant",
                    "frank: enforced (added to the enforcement group)",
                    "rita: released",
                    "machine-12: ",
                    lacks=("changed nothing in IAM", "would be enforced"),
                ),
            ),
            counted={
                "UsersEnforced": 168,
                "UsersMarkedNoncompliant": 76,
                "UsersCleared": 1,
                "NoticesSent": 2,
                "SweepFailures": 2,
                "SweepFinished": 1,
            },
            measured=_gauges(104, 78, 17, enforced=168, oldest=100),
            budget=Budget(_SWEEP, _FLOOR + _PER_CHANGE * _TO_CHANGE + _MORE * _WITHOUT_USE, users=_TO_CHANGE),
            echoes=(_DRIFT,),
        ),
    ),
    Step(
        "What failed is mended",
        "carol takes heidi out of a group, has the service control policy spare dennis, and gives olga's exemption its"
        " end, which is told at once. Then she asks for a sweep: nobody else is looked at.",
        ("heidi", "dennis", "olga"),
        _failures_are_mended,
        Expected(
            wakes=(_EXEMPTED, _REQUESTED),
            users={
                "heidi": Stands(frozenset({AttachmentRoute.GROUP}), marked=True),
                "dennis": _MARKED,
                "olga": Stands(exempt=True),
            },
            mails=(
                Sends(
                    NoticeKind.EXEMPTION,
                    None,
                    ("olga", "exempt until", "owner platform", "recorded by nadia@example.com", "passkeys"),
                ),
                _digest(
                    Severity.MEDIUM,
                    "77 of 199 users",
                    "3 changed",
                    "heidi: enforced (added to the enforcement group)",
                    "dennis: enforced (policy attached)",
                    "olga: released",
                    lacks=("WHAT FAILED",),
                ),
            ),
            counted={
                "UsersEnforced": 2,
                "UsersMarkedNoncompliant": 1,
                "UsersCleared": 1,
                "NoticesSent": 2,
                "SweepFinished": 1,
            },
            measured=_gauges(104, 77, 18, enforced=169, oldest=100),
            budget=Budget(_SWEEP, _FLOOR + _PER_CHANGE * 3, users=3),
            echoes=(_DRIFT,),
        ),
    ),
    Step(
        "The next day: steady",
        "Nothing is to be done, so nobody is asked about and nobody is mailed: 77 users without a device are no news.",
        (),
        _a_day_passes,
        Expected(
            wakes=(_DAILY,),
            counted={"SweepFinished": 1},
            measured=_gauges(104, 77, 18, enforced=169, oldest=101),
            budget=Budget(_SWEEP, _FLOOR, users=0),
        ),
    ),
    Step(
        "What events lost",
        "Whoever has machine-01's key stops the trail, which is told at once, and then takes the policy off sixty"
        " users. No event tells of it, nor of two lost devices that carol removes. wanda's exemption ends, and carol"
        " deletes exempt-01's. The day's sweep finds all of them. IAM is slow, eight seconds a call, so its time runs"
        " out: it wakes itself, and goes on.",
        ("phone-01", "passkey-01", "wanda"),
        _events_are_lost,
        Expected(
            wakes=(_EXEMPTED, Wakes(f"{_ALERT}TrailTampering", _ALERT), _DAILY),
            users={
                **dict.fromkeys(_LOST, _WITH_DEVICE),
                "phone-01": _MARKED,
                "passkey-01": _MARKED,
                "wanda": Stands(frozenset({AttachmentRoute.DIRECT}), marked=True, exempt=True),
                "exempt-01": _MARKED,
            },
            mails=(
                Sends(NoticeKind.EXEMPTION, None, ("exempt-01", "no longer exempt")),
                Sends(NoticeKind.TAMPERING, None, ("StopLogging", TRAIL, "user/machine-01", "203.0.113.50")),
                _digest(
                    Severity.HIGH,
                    "problem: trail",
                    "is not logging",
                    "start-logging",
                    "phone-01: enforced (policy attached); will be tagged noncompliant",
                    "Time ran out",
                ),
                _digest(
                    Severity.HIGH,
                    "phone-60: enforced (policy attached)",
                    "passkey-01: ",
                    "wanda: enforced (policy attached)",
                    "exempt-01: enforced (policy attached)",
                    lacks=("Time ran out",),
                ),
            ),
            counted={
                "UsersEnforced": 62,
                "UsersMarkedNoncompliant": 4,
                "NoticesSent": 4,
                "SweepFinished": 1,
            },
            measured=_gauges(102, 81, 16, enforced=171, oldest=102, problems=1),
            budget=Budget(_SWEEP, 2 * _FLOOR + _PER_CHANGE * 63, users=63),
            echoes=(_REQUESTED,),
        ),
        arrive=until_the_trail_stops,
    ),
    Step(
        "A week of silence",
        "carol starts the trail again. Nothing else happens for seven days, and then one mail says so: silence is not"
        " what all's well sounds like.",
        (),
        _a_week_passes,
        Expected(
            wakes=(_DAILY,),
            mails=(_digest(Severity.MEDIUM, "81 of 199 users", "ivan: 109 days", lacks=("changed", "problem")),),
            counted={"NoticesSent": 1, "SweepFinished": 1},
            measured=_gauges(102, 81, 16, enforced=171, oldest=109),
            budget=Budget(_SWEEP, _FLOOR, users=0),
        ),
    ),
    Step(
        "The protection against deletion is lifted",
        "carol is going to delete the stack, and termination protection is on. That she lifts it is told.",
        (),
        _protection_is_lifted,
        Expected(
            wakes=(Wakes(f"{_ALERT}StackChange", _ALERT),),
            mails=(Sends(NoticeKind.STACK_CHANGE, None, ("UpdateTerminationProtection", "mfa-guard", "user/carol")),),
            counted={"NoticesSent": 1},
        ),
    ),
    Step(
        "The stack is deleted",
        "The guard's rules go first, so that nobody is bound again. Then CloudFormation wakes TeardownFunction, which"
        " lets everybody go, and the policy can be deleted. The exemptions stay.",
        ("phone-02", "nodevice-01", "heidi"),
        _stack_is_deleted,
        Expected(
            users={
                **_ends(Stands(), "password only", "idle key only", "nothing", "key at work only", "exempt by path"),
                **_ends(Stands(), "tagged long ago", "10 policies", "and 10 groups", "out of reach"),
                **_ends(Stands(devices=1), "password, phone", "password, passkey", "phone, key at work"),
                **_ends(Stands(exempt=True), "exempt by table", "exempt, 36 h left", "exempt, yet bound"),
                **_ends(Stands(exempt=True), "record malformed"),
                # Their devices went in the night without events, and so did this exemption.
                **dict.fromkeys(("phone-01", "passkey-01", "exempt-01"), Stands()),
            },
            echoes=(Wakes("CloudFormation", "TeardownFunction"),),
        ),
    ),
)

THE_WHOLE_ACCOUNT: Final = Scenario(
    "The whole account",
    f"Another account, with {len(_EVERYBODY)} users who are older than the guard. Users below /partners/ are exempt."
    " Between two steps time passes, and nobody waits for it.",
    {**PARAMETERS, "ExemptPathPrefixes": "/partners/"},
    prepare,
    _STEPS,
    {crowd.label: crowd.names for crowd in GROUPS},
)
