"""The second scenario: the whole account, as sweeps find it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import chain
from typing import Final

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.mail.digest import KIND as DIGEST
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard_cli.stack.template import Fields
from mfa_guard_emulator.aws.baseline import TRAIL
from mfa_guard_emulator.demo.actors import key_user
from mfa_guard_emulator.demo.expectations import CallLimit, EndState, Expected, ExpectedMail, Invokes
from mfa_guard_emulator.demo.harness import Harness, ScenarioBroken
from mfa_guard_emulator.demo.one_by_one import PARAMETERS
from mfa_guard_emulator.demo.one_by_one_actions import CAROL, NADIA, create_roles, update_stack
from mfa_guard_emulator.demo.population import USER_TYPES, delete_exemption, names, populate, record_exemption
from mfa_guard_emulator.demo.scenario import Scenario, Step

# A program that uses a machine's access key.
MACHINE_KEY: Final = key_user("machine-01", address="203.0.113.50")

_SWEEP: Final = "SweepFunction"
_ALERT: Final = "AlertFunction"
_REQUESTED: Final = Invokes(f"{_SWEEP}SweepRequested", _SWEEP)
_DAILY: Final = Invokes(f"{_SWEEP}Daily", _SWEEP)
_EXEMPTED: Final = Invokes(f"{_ALERT}ExemptionChanged", _ALERT)
# A release of the guard becomes an event. The user is exempt, so the guard does nothing.
_DRIFT: Final = Invokes("UserEventFunctionEnforcementRemoved", "UserEventFunction")

# Rows in a page of IAM's lists.
_ROWS: Final = 100
_USERS: Final = tuple(chain.from_iterable(each.names for each in USER_TYPES))

_TO_USER: Final = EndState(frozenset({AttachmentRoute.DIRECT}))
_TAGGED: Final = EndState(frozenset({AttachmentRoute.DIRECT}), tagged=True)
_WITH_DEVICE: Final = EndState(frozenset({AttachmentRoute.DIRECT}), devices=1)

# The calls of a sweep that changes nothing, including the health checks: the guard promises at most 30 calls for 1,000
# users in pages of 100.
_FLOOR: Final = 30
_PER_CHANGE: Final = 3
# Further calls for a user without a password whose report shows no recent use of a key, and how many such users.
_MORE: Final = 4
_WITHOUT_USE: Final = 21

# The users that the sweep in Mode: all must change: all but the exempt users that are in order already.
_TO_CHANGE: Final = 183
_LOST: Final = tuple(f"phone-{number:02}" for number in range(1, 61))
_SCP: Final = "with an explicit deny in a service control policy"


def _ends(state: EndState | None, *labels: str) -> Mapping[str, EndState | None]:
    return dict.fromkeys(names(*labels), state)


def _digest(severity: Severity, *words: str, lacks: tuple[str, ...] = ()) -> ExpectedMail:
    return ExpectedMail(DIGEST, severity, words, lacks)


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
    """Create the users and the roles."""
    populate(harness.account)
    create_roles(harness)
    harness.account.iam_reads.limit_pages(_ROWS)
    harness.discard_exemption_records()


def _request_sweep(harness: Harness) -> None:
    harness.run_output(CAROL, "StartSweep")


def _set_mode_all(harness: Harness) -> None:
    update_stack(harness, NADIA, Mode="all")
    iam = harness.account.iam
    harness.calls.before_first_call_about("dora", lambda: iam.delete_user("dora"))
    harness.calls.deny("AttachUserPolicy", "dennis", _SCP)
    harness.run_schedule(_DAILY.rule)


def _fix_causes(harness: Harness) -> None:
    harness.calls.allow("AttachUserPolicy", "dennis")
    with harness.acting(CAROL):
        harness.iam.remove_user_from_group(UserName="heidi", GroupName="team-0")
    record_exemption(harness.account, "olga", timedelta(days=60))
    _request_sweep(harness)


def _skip_a_day(harness: Harness) -> None:
    harness.advance(timedelta(days=1))
    harness.run_schedule(_DAILY.rule)


def _stop_trail(harness: Harness) -> None:
    harness.advance(timedelta(days=1))
    policy = str(harness.account.stack.resolve({"Ref": "EnforcementPolicy"}))
    with harness.acting(MACHINE_KEY):
        harness.clients.cloudtrail.stop_logging(Name=TRAIL)
        for name in _LOST:
            harness.iam.detach_user_policy(UserName=name, PolicyArn=policy)
    with harness.acting(CAROL):
        for name in ("phone-01", "passkey-01"):
            [serial] = harness.account.iam.users[name].mfa_devices
            harness.iam.deactivate_mfa_device(UserName=name, SerialNumber=serial)
    delete_exemption(harness.account, "exempt-01")
    harness.calls.set_latency(timedelta(seconds=10))
    harness.run_schedule(_DAILY.rule)


def until_the_trail_stops(envelopes: Sequence[Fields]) -> Sequence[Fields]:
    """Deliver no event after the one that stopped the trail."""
    last = next(number for number, each in enumerate(envelopes) if _name(each) == "StopLogging")
    return envelopes[: last + 1]


def _name(envelope: Fields) -> object:
    detail = envelope["detail"]
    return detail.get("eventName") if isinstance(detail, Mapping) else None


def _skip_a_week(harness: Harness) -> None:
    with harness.acting(CAROL):
        harness.clients.cloudtrail.start_logging(Name=TRAIL)
    harness.advance(timedelta(days=7))
    harness.run_schedule(_DAILY.rule)


def _disable_protection(harness: Harness) -> None:
    with harness.acting(CAROL):
        harness.clients.any("cloudformation").update_termination_protection(
            StackName=harness.account.stack.name, EnableTerminationProtection=False
        )


def _delete_stack(harness: Harness) -> None:
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
        "carol requests a sweep in Mode: events",
        "carol runs the command in the stack's output StartSweep. In this mode, a sweep changes users in scope only:"
        " rita, who is enforced and exempt, is released. The digest says what would change for the others.",
        ("rita",),
        _request_sweep,
        Expected(
            invokes=(_REQUESTED,),
            mails=(
                _digest(
                    Severity.MEDIUM,
                    "79 of 200 users",
                    "104 compliant",
                    "17 exempt",
                    "in scope of Mode: events",
                    "rita: released because exempt",
                    "phone-01 (console password): would be enforced",
                    "nodevice-01 (console password): would be enforced, would be tagged noncompliant",
                    "keyed-01 (console password): would be enforced; would stop working without MFA",
                    "machine-01: ",
                    "wanda: exempt until",
                    "ivan: 100 days",
                    "fine: termination protection",
                    lacks=("cannot verify", "problem"),
                ),
            ),
            users={"rita": EndState(exempt=True)},
            metrics={"NoticesSent": 1, "SweepFinished": 1, "UsersCleared": 1},
            gauges=_gauges(104, 79, 17, enforced=0, oldest=100),
            call_limit=CallLimit(_SWEEP, _FLOOR + _PER_CHANGE, users=1),
            own_events_invoke=(_DRIFT,),
        ),
    ),
    Step(
        "nadia sets Mode: all, and the sweep enforces",
        "The scheduled sweep enforces every user in scope. During the sweep, dora is deleted. A service control policy"
        " protects dennis. heidi has ten policies and ten groups. None of them stops the sweep of the others.",
        (),
        _set_mode_all,
        Expected(
            invokes=(Invokes(f"{_ALERT}StackChange", _ALERT), _DAILY),
            users={
                **_ends(_WITH_DEVICE, "password, phone", "password, passkey", "phone, key in use"),
                **_ends(_TAGGED, "password only", "idle key only", "nothing", "tagged long ago"),
                **_ends(EndState(tagged=True), "key in use only", "10 policies and groups"),
                **_ends(EndState(frozenset({AttachmentRoute.GROUP}), tagged=True), "10 policies"),
                **_ends(EndState(frozenset({AttachmentRoute.DIRECT}), tagged=True, exempt=True), "malformed exemption"),
                **_ends(EndState(exempt=True), "exempt, enforced"),
                **_ends(None, "deleted in the sweep"),
            },
            mails=(
                ExpectedMail(NoticeKind.STACK_CHANGE, None, ("UpdateStack", "mfa-guard", "nadia@example.com")),
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
                    "nodevice-40: enforced (policy attached); tagged noncompliant",
                    "frank: enforced (added to the enforcement group)",
                    "machine-12: ",
                    lacks=("changed nothing in IAM", "would be enforced"),
                ),
            ),
            metrics={
                "UsersEnforced": 168,
                "UsersMarkedNoncompliant": 76,
                "NoticesSent": 2,
                "SweepFailures": 2,
                "NewSweepFailures": 2,
                "SweepFinished": 1,
            },
            gauges=_gauges(104, 78, 17, enforced=168, oldest=100),
            call_limit=CallLimit(_SWEEP, _FLOOR + _PER_CHANGE * _TO_CHANGE + _MORE * _WITHOUT_USE, users=_TO_CHANGE),
        ),
    ),
    Step(
        "carol fixes the causes and requests a sweep",
        "carol removes heidi from a group, removes dennis from the service control policy, and corrects olga's"
        " exemption, which a mail reports at once. The sweep makes calls about these three users only.",
        ("heidi", "dennis", "olga"),
        _fix_causes,
        Expected(
            invokes=(_EXEMPTED, _REQUESTED),
            users={
                "heidi": EndState(frozenset({AttachmentRoute.GROUP}), tagged=True),
                "dennis": _TAGGED,
                "olga": EndState(exempt=True),
            },
            mails=(
                ExpectedMail(
                    NoticeKind.EXEMPTION,
                    None,
                    ("olga", "exempt until", "owner platform", "recorded by nadia@example.com", "passkey"),
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
            metrics={
                "UsersEnforced": 2,
                "UsersMarkedNoncompliant": 1,
                "UsersCleared": 1,
                "NoticesSent": 2,
                "SweepFinished": 1,
            },
            gauges=_gauges(104, 77, 18, enforced=169, oldest=100),
            call_limit=CallLimit(_SWEEP, _FLOOR + _PER_CHANGE * 3, users=3),
            own_events_invoke=(_DRIFT,),
        ),
    ),
    Step(
        "The next day, nothing has changed",
        "The sweep makes no call about a single user and sends no digest: 77 users without a device are no news.",
        (),
        _skip_a_day,
        Expected(
            invokes=(_DAILY,),
            metrics={"SweepFinished": 1},
            gauges=_gauges(104, 77, 18, enforced=169, oldest=101),
            call_limit=CallLimit(_SWEEP, _FLOOR, users=0),
        ),
    ),
    Step(
        "machine-01's key stops the trail",
        "A mail reports it at once. Then the key detaches the policy from sixty users, and carol removes two lost"
        " devices, all without events. wanda's exemption ends, and carol deletes the exemption of exempt-01. The next"
        " sweep finds all of it. IAM takes ten seconds per call, so the sweep runs out of time and continues in a"
        " second invocation.",
        ("phone-01", "passkey-01", "wanda"),
        _stop_trail,
        Expected(
            invokes=(_EXEMPTED, Invokes(f"{_ALERT}TrailTampering", _ALERT), _DAILY),
            users={
                **dict.fromkeys(_LOST, _WITH_DEVICE),
                "phone-01": _TAGGED,
                "passkey-01": _TAGGED,
                "wanda": EndState(frozenset({AttachmentRoute.DIRECT}), tagged=True, exempt=True),
                "exempt-01": _TAGGED,
            },
            mails=(
                ExpectedMail(NoticeKind.EXEMPTION, None, ("exempt-01", "no longer exempt")),
                ExpectedMail(NoticeKind.TAMPERING, None, ("StopLogging", TRAIL, "user/machine-01", "203.0.113.50")),
                _digest(
                    Severity.HIGH,
                    "problem: trail",
                    "is not logging",
                    "start-logging",
                    "phone-01: enforced (policy attached); tagged noncompliant",
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
            metrics={
                "UsersEnforced": 62,
                "UsersMarkedNoncompliant": 4,
                "NewHealthProblems": 1,
                "NoticesSent": 4,
                "SweepFinished": 1,
            },
            gauges={**_gauges(102, 81, 16, enforced=171, oldest=102, problems=1), "TrailProblem": 1},
            call_limit=CallLimit(_SWEEP, 2 * _FLOOR + _PER_CHANGE * 63, users=63),
            own_events_invoke=(_REQUESTED,),
        ),
        order=until_the_trail_stops,
    ),
    Step(
        "A week without news",
        "carol starts the trail again. Nothing else happens for seven days. Then a digest says so, because silence"
        " could also mean that the guard does not run.",
        (),
        _skip_a_week,
        Expected(
            invokes=(_DAILY,),
            mails=(_digest(Severity.MEDIUM, "81 of 199 users", "ivan: 109 days", lacks=("changed", "problem")),),
            metrics={"NoticesSent": 1, "SweepFinished": 1},
            gauges=_gauges(102, 81, 16, enforced=171, oldest=109),
            call_limit=CallLimit(_SWEEP, _FLOOR, users=0),
        ),
    ),
    Step(
        "carol disables termination protection",
        "Only then can the stack be deleted. A mail reports the change.",
        (),
        _disable_protection,
        Expected(
            invokes=(Invokes(f"{_ALERT}StackChange", _ALERT),),
            mails=(
                ExpectedMail(NoticeKind.STACK_CHANGE, None, ("UpdateTerminationProtection", "mfa-guard", "user/carol")),
            ),
            metrics={"NoticesSent": 1},
        ),
    ),
    Step(
        "carol deletes the stack",
        "CloudFormation deletes the rules first, so that nothing enforces again. Then it invokes TeardownFunction,"
        " which releases every user, so that IAM can delete the policy. The exemptions stay.",
        ("phone-02", "nodevice-01", "heidi"),
        _delete_stack,
        Expected(
            users={
                **_ends(EndState(), "password only", "idle key only", "nothing", "key in use only", "exempt by path"),
                **_ends(EndState(), "tagged long ago", "10 policies", "10 policies and groups", "protected by an SCP"),
                **_ends(EndState(devices=1), "password, phone", "password, passkey", "phone, key in use"),
                **_ends(EndState(exempt=True), "exempt by table", "exempt, 36 h left", "exempt, enforced"),
                **_ends(EndState(exempt=True), "malformed exemption"),
                # Their devices, and this exemption, were removed while the trail was stopped.
                **dict.fromkeys(("phone-01", "passkey-01", "exempt-01"), EndState()),
            },
            own_events_invoke=(Invokes("CloudFormation", "TeardownFunction"),),
        ),
    ),
)

THE_WHOLE_ACCOUNT: Final = Scenario(
    "The whole account",
    f"Another account, with {len(_USERS)} users who are older than the guard. Users with the path /partners/ are"
    " exempt. Days pass between the steps; the demo skips them.",
    {**PARAMETERS, "ExemptPathPrefixes": "/partners/"},
    prepare,
    _STEPS,
    {each.label: each.names for each in USER_TYPES},
)
