"""The request table: what the enforcement policy must decide about each request, and why.

Expected decisions come from the requirements of the policy and from AWS's documentation, never from a run. A row holds
in every partition and for both values of both parameters, unless it says otherwise.

A decision is that of the identity-based policies. AWS adds rules of its own: GetSessionToken needs no permission,
GetCallerIdentity cannot be denied, a session from GetSessionToken without a code cannot call IAM at all, and access
keys without MFA cannot add a device to a user who has one (User Guide, pages
id_credentials_temp_control-access_getsessiontoken, id_credentials_temp_request and id_credentials_mfa_enable;
security bulletin AWS-2023-001).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from mfa_guard_cli.policy.evaluator import Decision, Policy, parse_policy
from mfa_guard_cli.policy.row import OTHER_ACCOUNT, Caller, Credentials, Row


def _allow_all(*actions: str) -> Policy:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return parse_policy({"Version": "2012-10-17", "Statement": [statement]})


def _iam(resource: str) -> str:
    return f"arn:{{partition}}:iam::{{account}}:{resource}"


def _user(name: str) -> str:
    return _iam(f"user/{name}")


def _device(name: str) -> str:
    return _iam(f"mfa/{name}")


def _foreign(resource: str) -> str:
    return f"arn:{{partition}}:iam::{OTHER_ACCOUNT}:{resource}"


def _regional(service: str, resource: str) -> str:
    return f"arn:{{partition}}:{service}:{{region}}:{{account}}:{resource}"


ADMINISTRATOR_ACCESS: Final = _allow_all("*")
DEVELOPER_ACCESS: Final = _allow_all("s3:*", "ec2:*", "kms:Decrypt", "athena:*", "sts:AssumeRole", "codecommit:*")

BOB: Final = Caller("bob")
DANA: Final = Caller("dana")
OMAR: Final = Caller("omar")
ERIN: Final = Caller("erin@example.com")
ALICE: Final = Caller("alice", (DEVELOPER_ACCESS,))
ANN: Final = Caller("ann", (ADMINISTRATOR_ACCESS,))
PAT: Final = Caller("pat", (ADMINISTRATOR_ACCESS,))
ROLE: Final = Caller(None, (ADMINISTRATOR_ACCESS,), enforced=False)
ENFORCED_ROLE: Final = Caller(None, (ADMINISTRATOR_ACCESS,))
BARE_ROLE: Final = Caller(None)
EXEMPT_USER: Final = Caller("robot", (DEVELOPER_ACCESS,), enforced=False)

BOBS_ARN: Final = _user("bob")
DANAS_ARN: Final = _user("staff/dana")
OMARS_ARN: Final = _user("staff/engineering/emea/omar")
ERINS_ARN: Final = _user("erin@example.com")
ALICES_ARN: Final = _user("alice")
ANNS_ARN: Final = _user("ann")
PATS_ARN: Final = _user("staff/pat")
EVES_ARN: Final = _user("eve")
ERINS_DEVICE: Final = _device("erin@example.com")

KEY: Final = Credentials("long-term key", None)
CONSOLE: Final = Credentials("console without MFA", "false")
CONSOLE_MFA: Final = Credentials("console with MFA", "true")
SESSION: Final = Credentials("GetSessionToken without a code", "false")
SESSION_MFA: Final = Credentials("GetSessionToken with a code", "true")
KEY_WITH_CODE: Final = Credentials("long-term key, if a code in the call counts", "true")
FORWARDED: Final = Credentials("forwarded by a service", "false", forwarded=True)
# What an MCP server sends about MFA, and whether its requests are marked as forwarded by a service, is undocumented.
MCP: Final = Credentials("MCP server, without MFA", "false", forwarded=True, through_mcp=True)
MCP_KEY: Final = Credentials("MCP server, without information about MFA", None, forwarded=True, through_mcp=True)
MCP_MFA: Final = Credentials("MCP server, with MFA", "true", forwarded=True, through_mcp=True)
MCP_DIRECT: Final = Credentials("MCP server that does not count as a service, without MFA", "false", through_mcp=True)
MCP_DIRECT_KEY: Final = Credentials(
    "MCP server that does not count as a service, without information about MFA", None, through_mcp=True
)
MCP_DIRECT_MFA: Final = Credentials("MCP server that does not count as a service, with MFA", "true", through_mcp=True)
ROLE_SESSION: Final = Credentials("role session", "false")

ALLOW: Final = Decision.ALLOW
DENY: Final = Decision.DENY
IMPLICIT: Final = Decision.IMPLICIT_DENY

BUCKET_OBJECT: Final = "arn:{partition}:s3:::reports/2026/january.csv"
INSTANCE: Final = _regional("ec2", "instance/i-0a1b2c3d4e5f67890")
ENFORCEMENT_POLICY_ARN: Final = _iam("policy/EnrollMFADeviceThenSignInAgain")
ENFORCEMENT_GROUP_ARN: Final = _iam("group/mfa-guard-enforced")
DEPLOY_ROLE_ARN: Final = _iam("role/deploy")
RULE_ARN: Final = _regional("events", "rule/mfa-guard-new-credentials")
EXEMPTIONS_ARN: Final = _regional("dynamodb", "table/mfa-guard-exemptions")
WORKGROUP: Final = _regional("athena", "workgroup/primary")
STACK_ARN: Final = _regional("cloudformation", "stack/mfa-guard/0a1b2c3d-4e5f-6789-abcd-ef0123456789")
FEDERATED_USER: Final = "arn:{partition}:sts::{account}:federated-user/ann"
LOGIN_CLIENT: Final = _regional("signin", "oauth2/public-client/localhost")
COMMERCIAL: Final = "arn:aws:iam::{account}:"
CHINA: Final = "arn:aws-cn:iam::{account}:"
OTHER_PARTITION: Final = "the same name in another partition"

# A user without any other permission enrolls a first device, and lists the devices.
ENROLLING: Final = (
    Row(BOB, CONSOLE, "iam:CreateVirtualMFADevice", _device("bob"), ALLOW, "a device named after its user"),
    Row(BOB, CONSOLE, "iam:CreateVirtualMFADevice", _device("work-phone"), ALLOW, "device names are free text"),
    Row(BOB, CONSOLE, "iam:CreateVirtualMFADevice", _device("team/bob"), ALLOW, "a device may have a path"),
    Row(BOB, CONSOLE, "iam:EnableMFADevice", BOBS_ARN, ALLOW, "the user enrolls in the console"),
    Row(BOB, CONSOLE, "iam:ListMFADevices", BOBS_ARN, ALLOW, "the console lists the user's devices"),
    Row(BOB, CONSOLE, "iam:GetMFADevice", BOBS_ARN, ALLOW, "the console shows the user's device"),
    Row(BOB, CONSOLE, "iam:GetUser", BOBS_ARN, ALLOW, "the console shows the user"),
    Row(BOB, CONSOLE, "iam:ListVirtualMFADevices", "*", ALLOW, "the console lists virtual devices"),
    Row(BOB, CONSOLE, "iam:ResyncMFADevice", BOBS_ARN, ALLOW, "the user resynchronizes a device"),
    Row(BOB, KEY, "iam:ListMFADevices", BOBS_ARN, ALLOW, "the command line finds the serial number"),
    Row(BOB, KEY, "iam:GetMFADevice", BOBS_ARN, ALLOW, "the command line shows a device"),
    Row(BOB, KEY, "iam:GetUser", BOBS_ARN, ALLOW, "the command line finds the user name"),
    Row(BOB, KEY, "iam:ListVirtualMFADevices", "*", ALLOW, "the command line lists virtual devices"),
    Row(BOB, KEY, "iam:ResyncMFADevice", BOBS_ARN, ALLOW, "a key resynchronizes a device"),
    Row(BOB, CONSOLE_MFA, "iam:CreateVirtualMFADevice", _device("second-phone"), ALLOW, "a second device is created"),
    Row(BOB, CONSOLE_MFA, "iam:EnableMFADevice", BOBS_ARN, ALLOW, "the user enables a second device"),
    Row(BOB, CONSOLE_MFA, "iam:ListMFADevices", BOBS_ARN, ALLOW, "MFA removes no permission"),
    Row(BOB, CONSOLE_MFA, "iam:GetMFADevice", BOBS_ARN, ALLOW, "MFA removes no permission"),
    Row(BOB, CONSOLE_MFA, "iam:GetUser", BOBS_ARN, ALLOW, "MFA removes no permission"),
    Row(BOB, CONSOLE_MFA, "iam:ResyncMFADevice", BOBS_ARN, ALLOW, "MFA removes no permission"),
    Row(BOB, SESSION_MFA, "iam:CreateVirtualMFADevice", _device("second-phone"), ALLOW, "a session creates a device"),
    Row(BOB, SESSION_MFA, "iam:EnableMFADevice", BOBS_ARN, ALLOW, "a session enables a device"),
    Row(BOB, SESSION_MFA, "iam:ListVirtualMFADevices", "*", ALLOW, "MFA removes no permission"),
    Row(ALICE, CONSOLE, "iam:EnableMFADevice", ALICES_ARN, ALLOW, "other permissions do not prevent it"),
    Row(ANN, CONSOLE, "iam:EnableMFADevice", ANNS_ARN, ALLOW, "an administrator enrolls in the console"),
    Row(ANN, CONSOLE, "iam:CreateVirtualMFADevice", _device("ann"), ALLOW, "an administrator creates a device"),
)

# AllowEnrollmentWithAccessKeys: whether a key, which may be leaked, may enroll the first device. The console may with
# both values: see the rows above.
KEY_ENROLLMENT: Final = (
    Row(BOB, KEY, "iam:CreateVirtualMFADevice", _device("bob"), ALLOW, "the command line creates a device", keys="yes"),
    Row(BOB, KEY, "iam:CreateVirtualMFADevice", _device("phone"), ALLOW, "a key may choose any name", keys="yes"),
    Row(BOB, KEY, "iam:CreateVirtualMFADevice", _device("x-1000"), ALLOW, "a flood fills the quota", keys="yes"),
    Row(BOB, KEY, "iam:EnableMFADevice", BOBS_ARN, ALLOW, "the command line enables a device", keys="yes"),
    Row(ANN, KEY, "iam:EnableMFADevice", ANNS_ARN, ALLOW, "an administrator's key enables a device", keys="yes"),
    Row(OMAR, KEY, "iam:EnableMFADevice", OMARS_ARN, ALLOW, "a path makes no difference", keys="yes"),
    Row(BOB, KEY, "iam:CreateVirtualMFADevice", _device("bob"), DENY, "a key creates no device", keys="no"),
    Row(BOB, KEY, "iam:CreateVirtualMFADevice", _device("phone"), DENY, "a key creates no device", keys="no"),
    Row(BOB, KEY, "iam:EnableMFADevice", BOBS_ARN, DENY, "a key enables no device", keys="no"),
    Row(OMAR, KEY, "iam:EnableMFADevice", OMARS_ARN, DENY, "a path makes no difference", keys="no"),
    Row(ANN, KEY, "iam:CreateVirtualMFADevice", _device("ann"), DENY, "an administrator's key creates none", keys="no"),
    Row(ANN, KEY, "iam:EnableMFADevice", ANNS_ARN, DENY, "an administrator's key enables no device", keys="no"),
    Row(BOB, SESSION, "iam:EnableMFADevice", BOBS_ARN, ALLOW, "AWS itself refuses such a session", keys="no"),
)

# "Own" means the user's own ARN, with or without a path, and not a name that only begins or ends with the user's name.
OWN_ARN: Final = (
    Row(DANA, CONSOLE, "iam:EnableMFADevice", DANAS_ARN, ALLOW, "a user with a path enrolls"),
    Row(DANA, CONSOLE, "iam:ResyncMFADevice", DANAS_ARN, ALLOW, "a user with a path resynchronizes"),
    Row(DANA, CONSOLE, "iam:ListMFADevices", DANAS_ARN, ALLOW, "a user with a path lists devices"),
    Row(DANA, KEY, "iam:GetUser", DANAS_ARN, ALLOW, "a user with a path reads their own user"),
    Row(OMAR, CONSOLE, "iam:EnableMFADevice", OMARS_ARN, ALLOW, "a user with a long path enrolls"),
    Row(OMAR, CONSOLE, "iam:GetMFADevice", OMARS_ARN, ALLOW, "a user with a long path reads a device"),
    Row(OMAR, SESSION_MFA, "iam:DeactivateMFADevice", OMARS_ARN, ALLOW, "a user with a long path deactivates"),
    Row(PAT, CONSOLE, "iam:EnableMFADevice", PATS_ARN, ALLOW, "an administrator with a path enrolls"),
    Row(PAT, CONSOLE, "iam:ResyncMFADevice", PATS_ARN, ALLOW, "an administrator with a path resynchronizes"),
    Row(ERIN, CONSOLE, "iam:EnableMFADevice", ERINS_ARN, ALLOW, "a user named by an email address enrolls"),
    Row(ERIN, CONSOLE, "iam:CreateVirtualMFADevice", ERINS_DEVICE, ALLOW, "a device named by an email address"),
    Row(ERIN, KEY, "iam:ListMFADevices", ERINS_ARN, ALLOW, "a user named by an email address lists devices"),
    Row(ERIN, CONSOLE_MFA, "iam:DeactivateMFADevice", ERINS_ARN, ALLOW, "a user named by an email address deactivates"),
    Row(BOB, CONSOLE_MFA, "iam:EnableMFADevice", _user("notbob"), IMPLICIT, "notbob only ends with bob"),
    Row(BOB, CONSOLE_MFA, "iam:EnableMFADevice", _user("staff/notbob"), IMPLICIT, "notbob with a path is not bob"),
    Row(BOB, CONSOLE_MFA, "iam:EnableMFADevice", _user("bobby"), IMPLICIT, "bobby only begins with bob"),
    Row(BOB, CONSOLE_MFA, "iam:EnableMFADevice", _user("bob/eve"), IMPLICIT, "a path named bob is not the user bob"),
    Row(BOB, CONSOLE_MFA, "iam:DeactivateMFADevice", _user("notbob"), IMPLICIT, "notbob keeps the device"),
    Row(BOB, CONSOLE_MFA, "iam:DeactivateMFADevice", _user("staff/notbob"), IMPLICIT, "notbob keeps the device"),
    Row(BOB, CONSOLE_MFA, "iam:EnableMFADevice", _user("staff/bobby"), IMPLICIT, "bobby with a path is not bob"),
    Row(BOB, CONSOLE_MFA, "iam:DeactivateMFADevice", _user("bobby"), IMPLICIT, "bobby keeps the device"),
    Row(BOB, CONSOLE_MFA, "iam:DeactivateMFADevice", _user("staff/bobby"), IMPLICIT, "bobby keeps the device"),
    Row(BOB, CONSOLE_MFA, "iam:DeleteVirtualMFADevice", _device("notbob"), IMPLICIT, "notbob keeps the device"),
    Row(BOB, KEY, "iam:ListMFADevices", _user("notbob"), IMPLICIT, "no permission to read other users"),
    Row(BOB, KEY, "iam:GetUser", _user("staff/notbob"), IMPLICIT, "no permission to read other users with a path"),
    Row(BOB, CONSOLE, "iam:EnableMFADevice", _user("notbob"), DENY, "notbob is another user"),
    Row(ANN, CONSOLE, "iam:EnableMFADevice", _user("joann"), DENY, "joann only ends with ann"),
    Row(ANN, CONSOLE, "iam:EnableMFADevice", _user("staff/joann"), DENY, "joann with a path is not ann"),
    Row(ANN, CONSOLE, "iam:EnableMFADevice", _user("annabel"), DENY, "annabel only begins with ann"),
    Row(ANN, CONSOLE, "iam:EnableMFADevice", _user("staff/annabel"), DENY, "annabel with a path is not ann"),
    Row(ANN, CONSOLE, "iam:EnableMFADevice", _user("ann/eve"), DENY, "a path named ann is not the user ann"),
    Row(ANN, CONSOLE, "iam:EnableMFADevice", _user("ANN"), DENY, "user names in resources are case-sensitive"),
)

# Without MFA, no caller changes another user's devices, not even an administrator.
OTHER_USERS: Final = (
    Row(BOB, CONSOLE, "iam:EnableMFADevice", EVES_ARN, DENY, "no enrollment for other users without MFA"),
    Row(BOB, CONSOLE_MFA, "iam:EnableMFADevice", EVES_ARN, IMPLICIT, "MFA alone grants nothing on other users"),
    Row(BOB, CONSOLE_MFA, "iam:ResyncMFADevice", EVES_ARN, IMPLICIT, "MFA alone grants nothing on other users"),
    Row(BOB, CONSOLE_MFA, "iam:DeactivateMFADevice", EVES_ARN, IMPLICIT, "MFA alone grants nothing on other users"),
    Row(BOB, CONSOLE, "iam:ListMFADevices", EVES_ARN, IMPLICIT, "no permission to read other users"),
    Row(BOB, CONSOLE, "iam:GetMFADevice", EVES_ARN, IMPLICIT, "no permission to read other users"),
    Row(BOB, CONSOLE, "iam:GetUser", EVES_ARN, IMPLICIT, "no permission to read other users"),
    Row(ANN, KEY, "iam:EnableMFADevice", EVES_ARN, DENY, "an administrator's stolen key enrolls no other user"),
    Row(ANN, KEY, "iam:EnableMFADevice", _user("staff/eve"), DENY, "a path makes no difference"),
    Row(ANN, CONSOLE, "iam:EnableMFADevice", EVES_ARN, DENY, "an administrator's password enrolls no other user"),
    Row(ANN, SESSION, "iam:EnableMFADevice", EVES_ARN, DENY, "a session without a code enrolls no other user"),
    Row(PAT, KEY, "iam:EnableMFADevice", EVES_ARN, DENY, "an administrator with a path enrolls no other user"),
    Row(ANN, KEY, "iam:ResyncMFADevice", EVES_ARN, DENY, "a stolen key resynchronizes no other user's device"),
    Row(ANN, CONSOLE, "iam:ResyncMFADevice", EVES_ARN, DENY, "a password resynchronizes no other user's device"),
    Row(ANN, KEY, "iam:ChangePassword", EVES_ARN, DENY, "a key changes no other user's password"),
    Row(ANN, CONSOLE, "iam:ChangePassword", EVES_ARN, DENY, "the console changes no other password"),
    Row(ANN, CONSOLE, "iam:ListMFADevices", EVES_ARN, ALLOW, "reading is harmless and needs a permission"),
    Row(ANN, CONSOLE, "iam:GetMFADevice", EVES_ARN, ALLOW, "reading is harmless and needs a permission"),
    Row(ANN, CONSOLE, "iam:GetUser", EVES_ARN, ALLOW, "reading is harmless and needs a permission"),
    Row(ANN, CONSOLE_MFA, "iam:EnableMFADevice", EVES_ARN, ALLOW, "with MFA, an administrator enrolls other users"),
    Row(ANN, SESSION_MFA, "iam:EnableMFADevice", EVES_ARN, ALLOW, "a session with a code enrolls other users"),
    Row(ANN, SESSION_MFA, "iam:ResyncMFADevice", EVES_ARN, ALLOW, "with MFA, an administrator may"),
    Row(ANN, CONSOLE_MFA, "iam:DeactivateMFADevice", EVES_ARN, ALLOW, "with MFA, an administrator may"),
    Row(ANN, CONSOLE_MFA, "iam:DeleteVirtualMFADevice", _device("any-name"), ALLOW, "with MFA, an administrator may"),
)

# A stolen key or password must not remove the user's device.
REMOVING_A_DEVICE: Final = (
    Row(BOB, CONSOLE_MFA, "iam:DeactivateMFADevice", BOBS_ARN, ALLOW, "the user's own device, with MFA"),
    Row(BOB, SESSION_MFA, "iam:DeactivateMFADevice", BOBS_ARN, ALLOW, "the user's own device, with a code"),
    Row(DANA, CONSOLE_MFA, "iam:DeactivateMFADevice", DANAS_ARN, ALLOW, "a path makes no difference"),
    Row(BOB, KEY, "iam:DeactivateMFADevice", BOBS_ARN, DENY, "a stolen key cannot deactivate"),
    Row(BOB, CONSOLE, "iam:DeactivateMFADevice", BOBS_ARN, DENY, "a stolen password cannot deactivate"),
    Row(BOB, SESSION, "iam:DeactivateMFADevice", BOBS_ARN, DENY, "a session without a code cannot deactivate"),
    Row(DANA, KEY, "iam:DeactivateMFADevice", DANAS_ARN, DENY, "a path makes no difference"),
    Row(ANN, KEY, "iam:DeactivateMFADevice", ANNS_ARN, DENY, "an administrator's stolen key cannot deactivate"),
    Row(ANN, KEY, "iam:DeactivateMFADevice", EVES_ARN, DENY, "a stolen key deactivates no other device"),
    Row(ANN, CONSOLE, "iam:DeactivateMFADevice", EVES_ARN, DENY, "a stolen password deactivates no other device"),
    Row(BOB, CONSOLE_MFA, "iam:DeleteVirtualMFADevice", _device("bob"), ALLOW, "the user's own device, with MFA"),
    Row(BOB, SESSION_MFA, "iam:DeleteVirtualMFADevice", _device("bob"), ALLOW, "the user's own device, with a code"),
    Row(DANA, CONSOLE_MFA, "iam:DeleteVirtualMFADevice", _device("dana"), ALLOW, "the device needs no path"),
    Row(ERIN, CONSOLE_MFA, "iam:DeleteVirtualMFADevice", ERINS_DEVICE, ALLOW, "a device named by an email address"),
    Row(BOB, KEY, "iam:DeleteVirtualMFADevice", _device("bob"), DENY, "a stolen key cannot delete"),
    Row(BOB, CONSOLE, "iam:DeleteVirtualMFADevice", _device("bob"), DENY, "a stolen password cannot delete"),
    Row(BOB, SESSION, "iam:DeleteVirtualMFADevice", _device("bob"), DENY, "a session without a code cannot delete"),
    Row(ANN, KEY, "iam:DeleteVirtualMFADevice", _device("eve"), DENY, "an administrator's stolen key cannot delete"),
    Row(BOB, CONSOLE_MFA, "iam:DeleteVirtualMFADevice", _device("phone"), IMPLICIT, "not named after the user"),
    Row(BOB, CONSOLE_MFA, "iam:DeleteVirtualMFADevice", _device("eve"), IMPLICIT, "named after another user"),
    Row(BOB, CONSOLE_MFA, "iam:DeleteVirtualMFADevice", _device("bobby"), IMPLICIT, "named after bobby, not bob"),
    Row(BOB, CONSOLE_MFA, "iam:DeleteVirtualMFADevice", _device("team/bob"), IMPLICIT, "another device, with a path"),
)

# AllowPasswordChangeWithoutMfa: a user who must change the password at the first sign-in can do nothing before.
PASSWORDS: Final = (
    Row(BOB, CONSOLE, "iam:ChangePassword", BOBS_ARN, ALLOW, "the first sign-in requires it", passwords="yes"),
    Row(DANA, CONSOLE, "iam:ChangePassword", DANAS_ARN, ALLOW, "a first sign-in, with a path", passwords="yes"),
    Row(ERIN, CONSOLE, "iam:ChangePassword", ERINS_ARN, ALLOW, "a first sign-in by email address", passwords="yes"),
    Row(ANN, CONSOLE, "iam:ChangePassword", ANNS_ARN, ALLOW, "an administrator's first sign-in", passwords="yes"),
    Row(BOB, KEY, "iam:ChangePassword", BOBS_ARN, ALLOW, "the call needs the old password", passwords="yes"),
    Row(BOB, CONSOLE, "iam:GetAccountPasswordPolicy", "*", ALLOW, "the rules for the new password", passwords="yes"),
    Row(BOB, KEY, "iam:GetAccountPasswordPolicy", "*", ALLOW, "the password rules, by a key", passwords="yes"),
    Row(BOB, CONSOLE, "iam:ChangePassword", BOBS_ARN, DENY, "not before MFA", passwords="no"),
    Row(DANA, CONSOLE, "iam:ChangePassword", DANAS_ARN, DENY, "not before MFA, with a path", passwords="no"),
    Row(ANN, CONSOLE, "iam:ChangePassword", ANNS_ARN, DENY, "not before MFA, by an administrator", passwords="no"),
    Row(BOB, KEY, "iam:ChangePassword", BOBS_ARN, DENY, "not before MFA, by a key", passwords="no"),
    Row(BOB, CONSOLE, "iam:GetAccountPasswordPolicy", "*", DENY, "not needed before MFA", passwords="no"),
    Row(BOB, KEY, "iam:GetAccountPasswordPolicy", "*", DENY, "not needed before MFA, by a key", passwords="no"),
    Row(BOB, CONSOLE_MFA, "iam:ChangePassword", BOBS_ARN, ALLOW, "with MFA, under both values"),
    Row(BOB, SESSION_MFA, "iam:ChangePassword", BOBS_ARN, ALLOW, "with MFA, by a session"),
    Row(BOB, CONSOLE_MFA, "iam:GetAccountPasswordPolicy", "*", ALLOW, "with MFA, under both values"),
    Row(BOB, CONSOLE_MFA, "iam:ChangePassword", EVES_ARN, IMPLICIT, "MFA alone grants nothing on other users"),
    Row(BOB, CONSOLE, "iam:CreateLoginProfile", BOBS_ARN, DENY, "the call needs no old password"),
    Row(BOB, CONSOLE, "iam:UpdateLoginProfile", BOBS_ARN, DENY, "the call needs no old password"),
    Row(BOB, CONSOLE_MFA, "iam:CreateLoginProfile", BOBS_ARN, IMPLICIT, "the policy grants no new password"),
    Row(BOB, CONSOLE_MFA, "iam:UpdateLoginProfile", BOBS_ARN, IMPLICIT, "the policy grants no new password"),
    Row(ANN, KEY, "iam:CreateLoginProfile", ANNS_ARN, DENY, "a stolen key creates no password"),
    Row(ANN, KEY, "iam:UpdateLoginProfile", ANNS_ARN, DENY, "a stolen key sets no password"),
    Row(ANN, CONSOLE, "iam:CreateLoginProfile", EVES_ARN, DENY, "no password for other users"),
    Row(ANN, CONSOLE, "iam:UpdateLoginProfile", EVES_ARN, DENY, "no password for other users"),
    Row(ANN, CONSOLE_MFA, "iam:CreateLoginProfile", EVES_ARN, ALLOW, "with MFA, an administrator may"),
    Row(ANN, CONSOLE_MFA, "iam:UpdateLoginProfile", EVES_ARN, ALLOW, "with MFA, an administrator may"),
)

# How a long-term key leads to a session with MFA, and what does not replace MFA.
STS: Final = (
    Row(ANN, KEY, "sts:GetSessionToken", "*", ALLOW, "a key can get a session with MFA"),
    Row(BOB, KEY, "sts:GetSessionToken", "*", IMPLICIT, "the call needs no permission"),
    Row(ALICE, KEY, "sts:AssumeRole", DEPLOY_ROLE_ARN, DENY, "a key alone assumes no role"),
    Row(ALICE, KEY_WITH_CODE, "sts:AssumeRole", DEPLOY_ROLE_ARN, ALLOW, "whether AWS counts the code is unverified"),
    Row(ALICE, CONSOLE, "sts:AssumeRole", DEPLOY_ROLE_ARN, DENY, "switching roles needs MFA"),
    Row(ALICE, SESSION, "sts:AssumeRole", DEPLOY_ROLE_ARN, DENY, "a session without a code has no MFA"),
    Row(ALICE, SESSION_MFA, "sts:AssumeRole", DEPLOY_ROLE_ARN, ALLOW, "GetSessionToken first, then AssumeRole"),
    Row(ALICE, CONSOLE_MFA, "sts:AssumeRole", DEPLOY_ROLE_ARN, ALLOW, "switching roles with MFA"),
    Row(ANN, KEY, "sts:GetFederationToken", FEDERATED_USER, DENY, "federation does not replace MFA"),
    Row(ANN, KEY, "sts:GetCallerIdentity", "*", DENY, "denied without effect: AWS always allows it"),
)

# Everything else needs MFA and a permission from another policy.
EVERYTHING_ELSE: Final = (
    Row(ALICE, KEY, "s3:GetObject", BUCKET_OBJECT, DENY, "a key alone reads nothing"),
    Row(ALICE, CONSOLE, "s3:GetObject", BUCKET_OBJECT, DENY, "a password alone reads nothing"),
    Row(ALICE, SESSION, "s3:GetObject", BUCKET_OBJECT, DENY, "a session without a code reads nothing"),
    Row(ALICE, CONSOLE_MFA, "s3:GetObject", BUCKET_OBJECT, ALLOW, "with MFA, the other permission applies"),
    Row(ALICE, SESSION_MFA, "s3:GetObject", BUCKET_OBJECT, ALLOW, "with a code, the other permission applies"),
    Row(ALICE, KEY, "s3:ListAllMyBuckets", "*", DENY, "a key alone lists nothing"),
    Row(ALICE, CONSOLE_MFA, "s3:ListAllMyBuckets", "*", ALLOW, "with MFA, the other permission applies"),
    Row(ALICE, KEY, "ec2:RunInstances", INSTANCE, DENY, "a key alone starts nothing"),
    Row(ALICE, SESSION_MFA, "ec2:RunInstances", INSTANCE, ALLOW, "with a code, the other permission applies"),
    Row(ALICE, KEY, "codecommit:GitPull", _regional("codecommit", "web"), DENY, "a key has no Git access"),
    Row(ALICE, CONSOLE_MFA, "iam:CreateUser", EVES_ARN, IMPLICIT, "MFA grants nothing by itself"),
    Row(BOB, CONSOLE_MFA, "s3:GetObject", BUCKET_OBJECT, IMPLICIT, "MFA grants nothing by itself"),
    Row(BOB, KEY, "s3:GetObject", BUCKET_OBJECT, DENY, "denied, even if another policy allows it"),
    Row(EXEMPT_USER, KEY, "s3:GetObject", BUCKET_OBJECT, ALLOW, "an exempt user is not enforced"),
    Row(BOB, CONSOLE, "iam:ListUsers", "*", DENY, "the list of users is not needed to enroll"),
    Row(BOB, CONSOLE, "iam:ListAccessKeys", BOBS_ARN, DENY, "the user's keys are not needed to enroll"),
    Row(BOB, CONSOLE, "iam:GetAccountSummary", "*", DENY, "the account's summary is not needed to enroll"),
    Row(BOB, CONSOLE, "iam:TagMFADevice", _device("bob"), DENY, "tags on a device are not needed to enroll"),
    Row(BOB, CONSOLE_MFA, "iam:ListAccessKeys", BOBS_ARN, IMPLICIT, "the policy grants only enrollment"),
    Row(BOB, CONSOLE_MFA, "iam:GetLoginProfile", BOBS_ARN, IMPLICIT, "the policy grants only enrollment"),
    Row(BOB, CONSOLE_MFA, "iam:DeleteUser", BOBS_ARN, IMPLICIT, "the policy grants only enrollment"),
    Row(BOB, CONSOLE_MFA, "iam:CreateAccessKey", BOBS_ARN, IMPLICIT, "the policy grants only enrollment"),
    Row(ANN, KEY, "iam:ListUsers", "*", DENY, "an administrator's key lists no user"),
    Row(ANN, SESSION_MFA, "iam:ListUsers", "*", ALLOW, "with a code, an administrator may"),
    Row(ANN, KEY, "iam:GetAccountAuthorizationDetails", "*", DENY, "an administrator's key reads nothing"),
    Row(ANN, KEY, "iam:EnableOrganizationsRootSessions", "*", DENY, "an action whose name begins alike"),
    Row(ANN, KEY, "iam:CreateUser", EVES_ARN, DENY, "a key creates no user"),
    Row(ANN, CONSOLE, "iam:CreateAccessKey", ANNS_ARN, DENY, "a password creates no key"),
    Row(ANN, KEY, "iam:CreateAccessKey", EVES_ARN, DENY, "a key creates no key of another user"),
    Row(ANN, KEY, "iam:UpdateAccessKey", EVES_ARN, DENY, "a key activates no other key"),
    Row(ANN, KEY, "iam:CreateServiceSpecificCredential", ANNS_ARN, DENY, "a key creates no other credentials"),
    Row(ANN, KEY, "iam:UploadSSHPublicKey", ANNS_ARN, DENY, "a key uploads no SSH key"),
    Row(ANN, KEY, "signin:CreateOAuth2Token", LOGIN_CLIENT, DENY, "aws login needs MFA"),
    Row(ANN, CONSOLE_MFA, "signin:CreateOAuth2Token", LOGIN_CLIENT, ALLOW, "aws login with MFA and a permission"),
    Row(ANN, CONSOLE_MFA, "organizations:LeaveOrganization", "*", ALLOW, "with MFA, the policy denies nothing"),
)

# Without MFA, no user escapes enforcement.
STAYING_ENFORCED: Final = (
    Row(ANN, KEY, "iam:DetachUserPolicy", ANNS_ARN, DENY, "a key detaches no policy from a user"),
    Row(ANN, CONSOLE, "iam:DetachUserPolicy", ANNS_ARN, DENY, "a password detaches no policy"),
    Row(ANN, KEY, "iam:RemoveUserFromGroup", ENFORCEMENT_GROUP_ARN, DENY, "a key removes no user from the group"),
    Row(ANN, KEY, "iam:DetachGroupPolicy", ENFORCEMENT_GROUP_ARN, DENY, "a key detaches no policy from the group"),
    Row(ANN, KEY, "iam:CreatePolicyVersion", ENFORCEMENT_POLICY_ARN, DENY, "a key does not change the policy"),
    Row(ANN, KEY, "iam:SetDefaultPolicyVersion", ENFORCEMENT_POLICY_ARN, DENY, "a key restores no older version"),
    Row(ANN, KEY, "iam:AttachUserPolicy", ANNS_ARN, DENY, "a key attaches no policy"),
    Row(ANN, KEY, "iam:UpdateUser", ANNS_ARN, DENY, "a key renames no user"),
    Row(ANN, KEY, "iam:UntagUser", ANNS_ARN, DENY, "a key removes no tag"),
    Row(ANN, KEY, "dynamodb:PutItem", EXEMPTIONS_ARN, DENY, "a key writes no exemption"),
    Row(ANN, KEY, "events:DisableRule", RULE_ARN, DENY, "a key disables no rule"),
    Row(ANN, KEY, "cloudformation:DeleteStack", STACK_ARN, DENY, "a key does not delete the stack"),
    Row(ANN, SESSION_MFA, "iam:DetachUserPolicy", EVES_ARN, ALLOW, "with a code, an administrator may"),
    Row(ANN, SESSION_MFA, "cloudformation:DeleteStack", STACK_ARN, ALLOW, "with a code, an administrator may"),
)

# A service that calls for a user who signed in with MFA still sends "false".
FORWARDED_CALLS: Final = (
    Row(ALICE, FORWARDED, "s3:GetObject", BUCKET_OBJECT, ALLOW, "Athena reads the objects of a query"),
    Row(ALICE, FORWARDED, "kms:Decrypt", _regional("kms", "key/0a1b2c3d"), ALLOW, "S3 decrypts an object"),
    Row(ALICE, FORWARDED, "ec2:RunInstances", INSTANCE, ALLOW, "CloudFormation starts an instance"),
    Row(ANN, FORWARDED, "iam:CreateRole", DEPLOY_ROLE_ARN, ALLOW, "CloudFormation creates a role"),
    Row(ANN, FORWARDED, "iam:CreateUser", EVES_ARN, ALLOW, "CloudFormation creates a user"),
    Row(BOB, FORWARDED, "s3:GetObject", BUCKET_OBJECT, IMPLICIT, "a forwarded call needs a permission too"),
    Row(BOB, FORWARDED, "iam:DeactivateMFADevice", BOBS_ARN, IMPLICIT, "deactivating needs MFA"),
    Row(BOB, FORWARDED, "iam:DeleteVirtualMFADevice", _device("bob"), IMPLICIT, "deleting needs MFA"),
    Row(ALICE, CONSOLE, "athena:StartQueryExecution", WORKGROUP, DENY, "a query does not start without MFA"),
    Row(ALICE, KEY, "athena:StartQueryExecution", WORKGROUP, DENY, "a query does not start with a key"),
    Row(ALICE, CONSOLE_MFA, "athena:StartQueryExecution", WORKGROUP, ALLOW, "a query starts with MFA"),
)

# An agent that calls through one of AWS's MCP servers can do without MFA what its user can do, and nothing else.
MCP_SERVERS: Final = (
    Row(ALICE, MCP, "s3:GetObject", BUCKET_OBJECT, DENY, "an agent reads nothing without MFA"),
    Row(ALICE, MCP_KEY, "s3:GetObject", BUCKET_OBJECT, DENY, "an agent with a long-term key reads nothing"),
    Row(ALICE, MCP_DIRECT, "s3:GetObject", BUCKET_OBJECT, DENY, "an agent reads nothing without MFA"),
    Row(ALICE, MCP_DIRECT_KEY, "s3:GetObject", BUCKET_OBJECT, DENY, "an agent with a long-term key reads nothing"),
    Row(ALICE, MCP_MFA, "s3:GetObject", BUCKET_OBJECT, ALLOW, "with MFA, the other permission applies"),
    Row(ALICE, MCP_DIRECT_MFA, "s3:GetObject", BUCKET_OBJECT, ALLOW, "with MFA, the other permission applies"),
    Row(BOB, MCP_MFA, "s3:GetObject", BUCKET_OBJECT, IMPLICIT, "MFA grants nothing by itself"),
    Row(ALICE, MCP, "ec2:RunInstances", INSTANCE, DENY, "an agent starts nothing without MFA"),
    Row(ANN, MCP, "iam:CreateUser", EVES_ARN, DENY, "an administrator's agent creates no user"),
    Row(ANN, MCP, "iam:CreateAccessKey", ANNS_ARN, DENY, "an agent creates no key"),
    Row(ANN, MCP, "iam:CreateLoginProfile", ANNS_ARN, DENY, "an agent creates no password"),
    Row(ANN, MCP, "iam:UpdateLoginProfile", ANNS_ARN, DENY, "an agent sets no password"),
    Row(ANN, MCP, "iam:DeactivateMFADevice", ANNS_ARN, DENY, "an agent deactivates no device"),
    Row(ANN, MCP, "iam:DeleteVirtualMFADevice", _device("ann"), DENY, "an agent deletes no device"),
    Row(ANN, MCP, "iam:DetachUserPolicy", ANNS_ARN, DENY, "an agent detaches no policy"),
    Row(ANN, MCP, "iam:ListUsers", "*", DENY, "an administrator's agent lists no user"),
    Row(ANN, MCP, "iam:ListAccessKeys", ANNS_ARN, DENY, "an administrator's agent lists no key"),
    Row(ANN, MCP, "iam:GetAccountAuthorizationDetails", "*", DENY, "an administrator's agent reads nothing"),
    Row(ANN, MCP, "iam:EnableOrganizationsRootSessions", "*", DENY, "an action whose name begins alike"),
    Row(ANN, MCP, "iam:EnableMFADevice", EVES_ARN, DENY, "an agent enrolls no other user"),
    Row(ANN, MCP, "sts:AssumeRole", DEPLOY_ROLE_ARN, DENY, "an agent assumes no role"),
    Row(ANN, MCP, "sts:GetFederationToken", FEDERATED_USER, DENY, "federation does not replace MFA"),
    Row(ANN, MCP, "dynamodb:PutItem", EXEMPTIONS_ARN, DENY, "an agent writes no exemption"),
    Row(ANN, MCP_MFA, "iam:ListUsers", "*", ALLOW, "with MFA, an administrator's agent may"),
    Row(ANN, MCP, "sts:GetSessionToken", "*", ALLOW, "a key can get a session with MFA"),
    Row(BOB, MCP, "iam:GetUser", BOBS_ARN, ALLOW, "an agent shows the user"),
    Row(BOB, MCP, "iam:ListMFADevices", BOBS_ARN, ALLOW, "an agent lists the user's devices"),
    Row(BOB, MCP, "iam:GetMFADevice", BOBS_ARN, ALLOW, "an agent shows the user's device"),
    Row(BOB, MCP, "iam:ListVirtualMFADevices", "*", ALLOW, "an agent lists virtual devices"),
    Row(BOB, MCP, "iam:ResyncMFADevice", BOBS_ARN, ALLOW, "an agent resynchronizes a device"),
    Row(BOB, MCP, "iam:ChangePassword", BOBS_ARN, ALLOW, "the call needs the old password", passwords="yes"),
    Row(BOB, MCP, "iam:ChangePassword", BOBS_ARN, DENY, "not before MFA", passwords="no"),
    Row(BOB, MCP, "iam:GetAccountPasswordPolicy", "*", ALLOW, "the rules for the new password", passwords="yes"),
    Row(BOB, MCP, "iam:GetAccountPasswordPolicy", "*", DENY, "not needed before MFA", passwords="no"),
    Row(BOB, MCP, "iam:CreateVirtualMFADevice", _device("bob"), ALLOW, "an agent may help to enroll", keys="yes"),
    Row(BOB, MCP, "iam:EnableMFADevice", BOBS_ARN, ALLOW, "an agent may help to enroll", keys="yes"),
    Row(BOB, MCP, "iam:CreateVirtualMFADevice", _device("bob"), DENY, "it could have a long-term key", keys="no"),
    Row(BOB, MCP, "iam:EnableMFADevice", BOBS_ARN, DENY, "it could have a long-term key", keys="no"),
    Row(BOB, MCP_KEY, "iam:EnableMFADevice", BOBS_ARN, DENY, "a long-term key enables no device", keys="no"),
    Row(ANN, MCP, "iam:CreateVirtualMFADevice", _foreign("mfa/ann"), DENY, "another account's device", keys="no"),
    Row(BOB, MCP_MFA, "iam:CreateVirtualMFADevice", _device("second-phone"), ALLOW, "with MFA, a second device"),
    Row(BOB, MCP_MFA, "iam:EnableMFADevice", BOBS_ARN, ALLOW, "with MFA, a second device"),
)

# A role has no user name. The policy is for users. On a role, it must at least allow nothing.
ROLES: Final = (
    Row(ROLE, ROLE_SESSION, "s3:GetObject", BUCKET_OBJECT, ALLOW, "a user's policy does not apply to a role"),
    Row(ENFORCED_ROLE, ROLE_SESSION, "s3:GetObject", BUCKET_OBJECT, DENY, "a role session has no MFA"),
    Row(ENFORCED_ROLE, ROLE_SESSION, "iam:DeactivateMFADevice", EVES_ARN, DENY, "a role session has no MFA"),
    Row(BARE_ROLE, ROLE_SESSION, "iam:GetUser", BOBS_ARN, IMPLICIT, "no user name, so nothing is its own"),
    Row(BARE_ROLE, ROLE_SESSION, "iam:ListMFADevices", BOBS_ARN, IMPLICIT, "no user name, so nothing is its own"),
)

# The policy applies to its own account and partition.
OTHER_ACCOUNTS: Final = (
    Row(BOB, CONSOLE_MFA, "iam:EnableMFADevice", _foreign("user/bob"), IMPLICIT, "another account's user"),
    Row(BOB, CONSOLE_MFA, "iam:EnableMFADevice", _foreign("user/staff/bob"), IMPLICIT, "another account's user"),
    Row(BOB, CONSOLE_MFA, "iam:DeactivateMFADevice", _foreign("user/bob"), IMPLICIT, "another account's user"),
    Row(BOB, CONSOLE_MFA, "iam:DeactivateMFADevice", _foreign("user/staff/bob"), IMPLICIT, "another account's user"),
    Row(BOB, CONSOLE_MFA, "iam:DeleteVirtualMFADevice", _foreign("mfa/bob"), IMPLICIT, "another account's device"),
    Row(BOB, CONSOLE_MFA, "iam:CreateVirtualMFADevice", _foreign("mfa/bob"), IMPLICIT, "another account's device"),
    Row(ANN, KEY, "iam:CreateVirtualMFADevice", _foreign("mfa/ann"), DENY, "another account's device", keys="no"),
    Row(ANN, CONSOLE, "iam:EnableMFADevice", _foreign("user/ann"), DENY, "another account's user"),
    Row(ANN, CONSOLE, "iam:EnableMFADevice", _foreign("user/staff/ann"), DENY, "another account's user"),
    Row(BOB, CONSOLE_MFA, "iam:EnableMFADevice", CHINA + "user/bob", IMPLICIT, OTHER_PARTITION, partition="aws"),
    Row(BOB, CONSOLE_MFA, "iam:EnableMFADevice", CHINA + "user/staff/bob", IMPLICIT, OTHER_PARTITION, partition="aws"),
    Row(BOB, CONSOLE_MFA, "iam:DeactivateMFADevice", CHINA + "user/bob", IMPLICIT, OTHER_PARTITION, partition="aws"),
    Row(BOB, CONSOLE_MFA, "iam:DeactivateMFADevice", CHINA + "user/a/bob", IMPLICIT, OTHER_PARTITION, partition="aws"),
    Row(BOB, CONSOLE_MFA, "iam:DeleteVirtualMFADevice", CHINA + "mfa/bob", IMPLICIT, OTHER_PARTITION, partition="aws"),
    Row(BOB, CONSOLE_MFA, "iam:CreateVirtualMFADevice", CHINA + "mfa/bob", IMPLICIT, OTHER_PARTITION, partition="aws"),
    Row(ANN, CONSOLE, "iam:EnableMFADevice", CHINA + "user/ann", DENY, OTHER_PARTITION, partition="aws"),
    Row(ANN, CONSOLE, "iam:EnableMFADevice", CHINA + "user/staff/ann", DENY, OTHER_PARTITION, partition="aws"),
    Row(
        BOB, CONSOLE_MFA, "iam:EnableMFADevice", COMMERCIAL + "user/bob", IMPLICIT, OTHER_PARTITION, partition="aws-cn"
    ),
    Row(ANN, CONSOLE, "iam:EnableMFADevice", COMMERCIAL + "user/ann", DENY, OTHER_PARTITION, partition="aws-cn"),
    Row(
        BOB,
        CONSOLE_MFA,
        "iam:EnableMFADevice",
        COMMERCIAL + "user/bob",
        IMPLICIT,
        OTHER_PARTITION,
        partition="aws-us-gov",
    ),
    Row(ANN, CONSOLE, "iam:EnableMFADevice", COMMERCIAL + "user/ann", DENY, OTHER_PARTITION, partition="aws-us-gov"),
)

SECTIONS: Final[Mapping[str, tuple[Row, ...]]] = MappingProxyType(
    {
        "Enrolling a device": ENROLLING,
        "Enrolling with an access key": KEY_ENROLLMENT,
        "The user's own ARN": OWN_ARN,
        "Other users": OTHER_USERS,
        "Removing a device": REMOVING_A_DEVICE,
        "Passwords": PASSWORDS,
        "From a key to MFA": STS,
        "Everything else": EVERYTHING_ELSE,
        "Escaping enforcement": STAYING_ENFORCED,
        "Calls that a service forwards": FORWARDED_CALLS,
        "Calls through AWS's MCP servers": MCP_SERVERS,
        "Roles": ROLES,
        "Other accounts and partitions": OTHER_ACCOUNTS,
    },
)
ROWS: Final = tuple(row for rows in SECTIONS.values() for row in rows)
