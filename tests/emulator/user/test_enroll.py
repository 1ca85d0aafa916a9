"""`mfa-guard enroll`: a user on a terminal, with only an access key, to which the enforcement policy applies."""

import pexpect
import pytest

from support.workstation import EnforcedAccount, Workstation


def seed_of(child: "pexpect.spawn[str]") -> str:
    """Ask for the secret at the prompt."""
    child.expect("shows now: ")
    child.sendline("s")
    child.expect(r"Secret: ([A-Z2-7]+)")
    return str(child.match[1])


def type_codes(child: "pexpect.spawn[str]", first: str, second: str) -> None:
    child.expect("shows now: ")
    child.sendline(first)
    child.expect("within 30 seconds: ")
    child.sendline(second)


def ended(child: "pexpect.spawn[str]") -> int:
    child.expect(pexpect.EOF)
    child.close()
    return int(child.exitstatus)


def devices(workstation: Workstation) -> list[str]:
    return sorted(workstation.account.iam.users[workstation.name].mfa_devices)


def test_a_blocked_user_enrolls_with_the_access_key_alone(alice: Workstation) -> None:
    child = alice.spawn("mfa-guard enroll")
    child.expect("█")
    alice.seed = seed_of(child)
    type_codes(child, *alice.codes())
    child.expect("Enrolled: ")
    assert ended(child) == 0
    assert devices(alice) == [f"arn:aws:iam::{alice.account.stack.account}:mfa/{alice.name}"]


def test_what_was_enrolled_gives_a_session(alice: Workstation) -> None:
    child = alice.spawn("mfa-guard enroll --show-secret --no-qr")
    child.expect(r"Secret: ([A-Z2-7]+)")
    alice.seed = str(child.match[1])
    type_codes(child, *alice.codes())
    assert ended(child) == 0
    assert alice.run("mfa-guard", "session", "--token", alice.code(), "--", "true").returncode == 0


def test_wrong_codes_can_be_tried_again(alice: Workstation) -> None:
    child = alice.spawn("mfa-guard enroll")
    alice.seed = seed_of(child)
    first, second = alice.codes()
    type_codes(child, second, first)
    child.expect("Try again")
    # A clock that is off by two minutes more than IAM allows.
    type_codes(child, *alice.codes(off=-300))
    child.expect("Try again")
    type_codes(child, *alice.codes())
    assert ended(child) == 0
    assert len(devices(alice)) == 1


def test_an_interrupt_names_what_remains_and_how_to_continue(alice: Workstation) -> None:
    child = alice.spawn("exec mfa-guard enroll")
    seed = seed_of(child)
    child.expect("shows now: ")
    child.sendintr()
    child.expect(f"mfa/{alice.name} remains, assigned to no user")
    child.expect(f"mfa-guard enroll --resume {alice.name}")
    assert ended(child) == 130
    assert devices(alice) == []

    child = alice.spawn(f"mfa-guard enroll --resume {alice.name}")
    type_codes(child, *alice.codes(seed=seed))
    assert ended(child) == 0
    assert [each.rpartition("/")[2] for each in devices(alice)] == [alice.name]


def test_unassigned_devices_are_named_and_not_changed(alice: Workstation) -> None:
    iam = alice.account.iam
    left = iam.create_virtual_mfa_device(alice.name, "/")
    child = alice.spawn("mfa-guard enroll")
    child.expect(f"no user has: {alice.name}\\.")
    alice.seed = seed_of(child)
    type_codes(child, *alice.codes())
    assert ended(child) == 0
    assert [each.rpartition("/")[2] for each in devices(alice)] == [f"{alice.name}-2"]
    assert left.serial_number in iam.virtual_mfa_devices


def test_where_access_keys_cannot_enroll_the_console_is_the_next_step(
    alice: Workstation, enforced_account: EnforcedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(enforced_account.parameters, "AllowEnrollmentWithAccessKeys", "no")
    child = alice.spawn("exec mfa-guard enroll")
    child.expect("EnrollMFADeviceThenSignInAgain; enroll in the console instead: sign in at https://111122223333\\.")
    child.expect("/iam/home#/security_credentials")
    assert ended(child) == 3


def test_without_any_permission_the_error_says_so(enforced_account: EnforcedAccount, alice: Workstation) -> None:
    enforced_account.account.iam.users[alice.name].managed_policies.clear()
    child = alice.spawn("exec mfa-guard enroll")
    child.expect("You have no permission to enroll")
    assert ended(child) == 3


def test_without_a_terminal_nothing_is_made(alice: Workstation) -> None:
    before = len(alice.account.iam.virtual_mfa_devices)
    ran = alice.run("mfa-guard", "enroll")
    assert ran.returncode == 2
    assert ran.stderr == "There is no terminal to ask for the code. Run mfa-guard enroll in a terminal.\n"
    assert len(alice.account.iam.virtual_mfa_devices) == before


def test_redirected_output_gets_no_secret(alice: Workstation) -> None:
    child = alice.spawn("mfa-guard enroll > out 2> err")
    alice.seed = seed_of(child)
    type_codes(child, *alice.codes())
    assert ended(child) == 0
    assert (alice.home / "out").read_text() == ""
    assert (alice.home / "err").read_text() == ""


def test_a_second_device_is_asked_about(dora: Workstation) -> None:
    child = dora.spawn("exec mfa-guard enroll")
    child.expect("You already have an MFA device")
    child.expect(r"\[y/N\]\? ")
    child.sendline("")
    assert ended(child) == 2
    assert len(devices(dora)) == 1
