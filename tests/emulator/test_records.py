"""The records of calls equal the files in events/, field by field.

A call is made with the parameters in the file, by the caller in its userIdentity. Values that are new in each call
(ids, times) have the same form, and all other values are equal.
"""

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.model import ListShape, OperationModel, Shape, StructureShape
from werkzeug.wrappers import Response

from mfa_guard_cli.stack.template import Fields, Stack, load_template
from mfa_guard_emulator.account import LocalAccount
from mfa_guard_emulator.aws.callers import Caller
from mfa_guard_emulator.aws.calls import Call
from mfa_guard_emulator.aws.cloudformation import RESOURCE
from mfa_guard_emulator.aws.cloudtrail import matched_calls
from mfa_guard_emulator.aws.resources import Clients
from mfa_guard_emulator.aws.responses import error as error_response
from support.factories import ROOT_OF_THE_PROJECT
from support.local import acting_as, administrator, code, new_device
from support.recorded import differences


def _archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("handler.py", "")
    return content.getvalue()


EVENTS: Final = ROOT_OF_THE_PROJECT / "events"
DOCUMENT: Final = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}'
EXISTS: Final = ("EntityAlreadyExists", "ConflictException", "ResourceConflictException", "ResourceInUseException")
FUNCTIONS_ROLE: Final = "arn:aws:iam::111122223333:role/mfa-guard-UserEventFunctionRole-WCF5NNPI3VIZ"
SERVICES: Final = {"monitoring": "cloudwatch"}
ALL: Final = {"ParameterKey": "Mode", "ParameterValue": "all"}
RECORDED_STACK: Final = (
    "arn:aws:cloudformation:us-east-1:111122223333:stack/mfa-guard/420050f6-0297-477c-9ca7-8b2f295823bf"
)

CERTIFICATE: Final = json.loads((EVENTS / "upload-signing-certificate.json").read_text("utf-8"))["detail"][
    "requestParameters"
]["certificateBody"]
STACK: Final = load_template().render()
ARCHIVE: Final = _archive()

# Files whose call cannot be made here, by reason.
CANNOT_BE: Final[Mapping[str, tuple[str, ...]]] = {
    "the local account has no callers of this kind": (
        "create-user-by-aws-service",
        "create-user-by-federated-user",
        "create-user-by-identity-center-user",
        "create-user-by-other-account",
        "create-user-by-unknown",
        "tag-user-by-federated-user",
        "tag-user-by-service",
    ),
    "no service makes calls for another caller here": (
        "create-user-by-cloudformation",
        "tampering-function-by-cloudformation",
        "tampering-group-by-cloudformation",
        "tampering-policy-by-cloudformation",
        "tampering-rule-by-cloudformation",
    ),
    "the local account keeps neither a password nor certificates of root": (
        "delete-login-profile-root",
        "upload-signing-certificate-root",
    ),
    "here, a sign-in always has the user's name, and MFAUsed as Yes or No": (
        "user-sign-in-mfa-not-recorded",
        "user-sign-in-with-mfa-upper-case",
        "user-sign-in-without-name",
    ),
    "the file has an older format of CloudTrail": (
        "create-user-from-console-older",
        "root-sign-in-other-spelling",
        "tag-user-from-console-older",
    ),
    "the account has no alias": (
        "create-access-key-root-with-alias",
        "root-sign-in-with-alias",
        "update-access-key-active-root",
    ),
    "the local account has no security keys and no hardware tokens": (
        "enable-mfa-device-fido",
        "enable-mfa-device-hardware",
    ),
    "here, a sign-in never fails, and roles do not sign in": (
        "role-sign-in",
        "root-sign-in-failed",
        "user-sign-in-failed",
    ),
    "the local account does not support change sets": ("stack-change-set", "stack-change-set-executed"),
    "the local account has one stack": ("stack-of-others", "stack-of-others-by-id"),
    "moto fails because of a part of a function's ARN": ("tampering-function-permission",),
    "the emulator itself reads the stream, and has no mapping for it": (
        "tampering-mapping-deleted",
        "tampering-mapping-disabled",
        "tampering-mapping-of-others",
    ),
    "moto has no Cloud Control, no mute rules, and no tasks that move messages": (
        "tampering-alarm-muted",
        "tampering-cloud-control-of-others",
        "tampering-cloud-control-role-policy",
        "tampering-cloud-control-rule",
        "tampering-queue-moved",
    ),
}


def _below(path: str, why: str, *names: str) -> dict[str, str]:
    return {f"detail.{path}.{name}": why for name in names}


_FUNCTION: Final = _below(
    "responseElements",
    "a function here has another size, memory and timeout, and moto returns more fields",
    "codeSha256",
    "codeSize",
    "lastModified",
    "lastUpdateStatus",
    "layers",
    "memorySize",
    "snapStart",
    "state",
    "timeout",
)
_DESCRIBED: Final = _below("responseElements", "the functions of the stack have a description", "description")
_DELETED_TABLE: Final = _below(
    "responseElements.tableDescription",
    "moto returns more fields of a table, and the status ACTIVE while it deletes it",
    "attributeDefinitions",
    "creationDateTime",
    "deletionProtectionEnabled",
    "globalSecondaryIndexes",
    "keySchema",
    "localSecondaryIndexes",
    "tableId",
    "tableStatus",
    "warmThroughput",
)
_LOGIN_TO: Final = _below("additionalEventData", "the address of the console contains a state", "LoginTo")
_WEB_IDENTITY: Final = _below(
    "userIdentity.sessionContext", "here, roles are assumed by AssumeRole only", "webIdFederationData"
)

# Where a record differs from its file, and why.
DIFFERS: Final[Mapping[str, Mapping[str, str]]] = {
    "create-login-profile-for-oneself": _below(
        "requestParameters", "CloudTrail sometimes writes this boolean as text", "passwordResetRequired"
    ),
    "create-user-by-web-identity": _WEB_IDENTITY
    | _below("responseElements.user", "moto returns the tags of the request", "tags"),
    "delete-login-profile-failed": _WEB_IDENTITY,
    "detach-user-policy-by-terraform": _WEB_IDENTITY,
    "root-sign-in": _LOGIN_TO,
    "tampering-function-code": _FUNCTION
    | _DESCRIBED
    | _below("requestParameters", "Lambda adds its own form of the ARN", "fullyQualifiedArn"),
    "tampering-function-configuration": _FUNCTION | _DESCRIBED,
    "tampering-function-of-others": _FUNCTION
    | _below("responseElements", "moto does not return an empty environment", "environment"),
    "tampering-policy-of-others": _below("responseElements.policyVersion", "the policy is new here", "versionId"),
    "tampering-schedule-of-others": _below(
        "requestParameters", "boto3 sends a token that other clients do not send", "clientToken"
    ),
    "tampering-table-deleted": _DELETED_TABLE
    | _below(
        "responseElements.tableDescription",
        "the table in the file has no stream",
        "latestStreamArn",
        "latestStreamLabel",
        "streamSpecification",
    ),
    "tampering-table-deleted-by-arn": _DELETED_TABLE,
    "tampering-table-of-others": _DELETED_TABLE,
    "user-sign-in": _LOGIN_TO,
    "user-sign-in-with-mfa": _LOGIN_TO,
}


@dataclass(frozen=True)
class Case:
    """One file of events/."""

    name: str
    envelope: Fields

    @property
    def record(self) -> Fields:
        return fields(self.envelope["detail"])

    @property
    def identity(self) -> Fields:
        return fields(self.record["userIdentity"])

    @property
    def request(self) -> Fields:
        return fields(self.record["requestParameters"] or {})

    def named(self, parameter: str) -> str:
        """Return a parameter of the call as text."""
        return str(self.request[parameter])

    @property
    def error(self) -> str | None:
        found = self.record.get("errorCode")
        return str(found) if found else None

    @property
    def user(self) -> str:
        """Return the user that the call names, or else its caller."""
        return str(self.request.get("userName") or self.identity.get("userName"))


def fields(value: object) -> Fields:
    assert isinstance(value, Mapping), value
    return value


def case(name: str) -> Case:
    return Case(name, json.loads((EVENTS / f"{name}.json").read_text("utf-8")))


CASES: Final = tuple(case(path.stem) for path in sorted(EVENTS.glob("*.json")))


def calls_by_event(stack: Stack) -> Mapping[tuple[object, object], str]:
    """Return the operations that a rule matches, by event source and event name."""
    return {(source, event): operation for (source, operation), event in matched_calls(stack).items()}


# What must exist before a call can end as in its file.


def _user_exists(account: LocalAccount, case: Case) -> None:
    if case.error != "NoSuchEntityException":
        _create(account.clients.iam.create_user, UserName=case.user)


def _user_does_not_exist(account: LocalAccount, case: Case) -> None:
    _forget(account, case.user)
    if case.error == "EntityAlreadyExistsException":
        account.clients.iam.create_user(UserName=case.user)


def _no_password(account: LocalAccount, case: Case) -> None:
    _user_exists(account, case)
    account.iam.users[case.user].password = None


def _keys(account: LocalAccount, case: Case) -> None:
    """Give a user no key, or two keys where a third must be refused, or the key that the call names."""
    if case.identity["type"] == "Root" and "userName" not in case.request:
        return
    _user_exists(account, case)
    user = account.iam.users[case.user]
    for key in tuple(user.access_keys):
        account.iam.delete_access_key(key.access_key_id, case.user)
    for _ in range(2 if case.error else "accessKeyId" in case.request):
        key = account.iam.create_access_key(case.user)
    if "accessKeyId" in case.request:
        account.iam.access_keys[case.named("accessKeyId")] = account.iam.access_keys.pop(key.access_key_id)
        key.access_key_id = case.named("accessKeyId")


def _service_credentials(account: LocalAccount, case: Case) -> None:
    """Leave a user the credential that the call names, and no other."""
    if case.error:
        return
    _user_exists(account, case)
    iam = account.clients.iam
    for each in iam.list_service_specific_credentials(UserName=case.user)["ServiceSpecificCredentials"]:
        credential_id = each["ServiceSpecificCredentialId"]
        iam.delete_service_specific_credential(UserName=case.user, ServiceSpecificCredentialId=credential_id)
    if "serviceSpecificCredentialId" in case.request:
        iam.create_service_specific_credential(UserName=case.user, ServiceName="codecommit.amazonaws.com")


def _ssh_keys(account: LocalAccount, case: Case) -> None:
    _user_exists(account, case)
    account.iam.users[case.user].ssh_public_keys.clear()
    if "sSHPublicKeyId" in case.request:
        account.clients.iam.upload_ssh_public_key(UserName=case.user, SSHPublicKeyBody="ssh-rsa AAAA")


def _certificates(account: LocalAccount, case: Case) -> None:
    _user_exists(account, case)
    account.iam.users[case.user].signing_certificates.clear()
    if "certificateId" in case.request:
        account.clients.iam.upload_signing_certificate(UserName=case.user, CertificateBody=CERTIFICATE)


def _password(account: LocalAccount, case: Case) -> None:
    _create(account.clients.iam.create_user, UserName=case.user)
    account.iam.users[case.user].password = None
    if not case.error:
        account.clients.iam.create_login_profile(UserName=case.user, Password="Not-a-real-passw0rd")


def _boundary(account: LocalAccount, case: Case) -> None:
    if case.error:
        return
    _user_exists(account, case)
    arn = str(case.request.get("permissionsBoundary", "arn:aws:iam::aws:policy/ReadOnlyAccess"))
    if ":aws:policy/" not in arn:
        _create(account.clients.iam.create_policy, PolicyName=arn.rpartition("/")[2], PolicyDocument=DOCUMENT)
    account.clients.iam.put_user_permissions_boundary(UserName=case.user, PermissionsBoundary=arn)


def _attached_device(account: LocalAccount, case: Case) -> None:
    if case.identity["type"] == "Root":
        # No user can have the pseudo name of root.
        return
    _create(account.clients.iam.create_user, UserName=case.user)
    serial = case.named("serialNumber")
    account.iam.users[case.user].mfa_devices.pop(serial, None)
    if not case.error:
        if ":mfa/" in serial:
            new_device(account, serial)
        account.iam.enable_mfa_device(case.user, serial, "", "")


def _no_device(account: LocalAccount, case: Case) -> None:
    name = case.named("virtualMFADeviceName")
    for serial in [each for each in account.iam.virtual_mfa_devices if each.endswith(f"/{name}")]:
        del account.iam.virtual_mfa_devices[serial]


def _free_device(account: LocalAccount, case: Case) -> None:
    if case.identity["type"] != "Root":
        _user_exists(account, case)
    new_device(account, case.named("serialNumber"))


def _policy(account: LocalAccount, case: Case) -> None:
    arn = case.named("policyArn")
    account.iam.managed_policies.pop(arn, None)
    account.clients.iam.create_policy(PolicyName=arn.rpartition("/")[2], PolicyDocument=DOCUMENT)
    if case.error == "DeleteConflictException":
        _create(account.clients.iam.create_user, UserName="attached")
        account.iam.attach_user_policy(arn, "attached")


def _attached_to_a_user(account: LocalAccount, case: Case) -> None:
    _create(account.clients.iam.create_user, UserName=case.user)
    arn = case.named("policyArn")
    if ":aws:policy/" not in arn:
        _policy(account, case)
    account.iam.users[case.user].managed_policies.pop(arn, None)
    if not case.error:
        account.iam.attach_user_policy(arn, case.user)


def _group(account: LocalAccount, case: Case) -> None:
    name = case.named("groupName")
    _create(account.clients.iam.create_group, GroupName=name)
    if "newGroupName" in case.request:
        account.iam.groups.pop(case.named("newGroupName"), None)


def _group_with_policy(account: LocalAccount, case: Case) -> None:
    _group(account, case)
    _policy(account, case)
    account.iam.attach_group_policy(case.named("policyArn"), case.named("groupName"))


def _member(account: LocalAccount, case: Case) -> None:
    _group(account, case)
    _user_exists(account, case)
    account.iam.add_user_to_group(case.named("groupName"), case.user)


def _role(account: LocalAccount, case: Case) -> None:
    name = case.named("roleName")
    _create(account.clients.iam.create_role, RoleName=name, AssumeRolePolicyDocument=DOCUMENT)
    if "policyName" in case.request:
        account.iam.put_role_policy(name, case.named("policyName"), DOCUMENT)


def _rule(account: LocalAccount, case: Case) -> None:
    name = str(case.request.get("name") or case.request["rule"])
    events = account.clients.any("events")
    events.put_rule(Name=name, EventPattern='{"source":["no-such-source"]}')
    if case.record["eventName"] == "DeleteRule":
        targets = fields(events.list_targets_by_rule(Rule=name))["Targets"]
        assert isinstance(targets, list)
        if targets:
            events.remove_targets(Rule=name, Ids=[each["Id"] for each in targets])


def _schedule(account: LocalAccount, case: Case) -> None:
    target = {"Arn": "arn:aws:lambda:us-east-1:111122223333:function:x", "RoleArn": "arn:aws:iam::111122223333:role/x"}
    _create(
        account.clients.any("scheduler").create_schedule,
        Name=case.request["name"],
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=target,
    )


def _function(account: LocalAccount, case: Case) -> None:
    name = case.named("functionName").rpartition(":")[2]
    lambda_ = account.clients.any("lambda")
    _create(
        lambda_.create_function,
        FunctionName=name,
        Role=FUNCTIONS_ROLE,
        Handler="mfa_guard.handlers.user_event.lambda_handler",
        Runtime="python3.13",
        Code={"ZipFile": ARCHIVE},
        Architectures=["arm64"],
    )
    lambda_.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=2)


def _topic(account: LocalAccount, case: Case) -> None:
    arn = str(case.request.get("topicArn") or case.request["subscriptionArn"])
    account.clients.sns.create_topic(Name=arn.split(":")[5])
    if "subscriptionArn" in case.request:
        made = account.clients.any("sns").subscribe(
            TopicArn=arn.rpartition(":")[0], Protocol="email", Endpoint="security@example.com"
        )
        subscription = account.sns.subscriptions.pop(str(made["SubscriptionArn"]))
        subscription.arn = arn
        account.sns.subscriptions[arn] = subscription


def _queue(account: LocalAccount, case: Case) -> None:
    account.clients.any("sqs").create_queue(QueueName=case.named("queueUrl").rpartition("/")[2])


def _alarms(account: LocalAccount, case: Case) -> None:
    names = case.request["alarmNames"]
    assert isinstance(names, list)
    for name in names:
        account.clients.any("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/Lambda",
            MetricName="Errors",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )


def _table(account: LocalAccount, case: Case) -> None:
    name = case.named("tableName").rpartition("/")[2]
    _create(
        account.clients.any("dynamodb").create_table,
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )


def _trail(account: LocalAccount, case: Case) -> None:
    if case.error:
        return
    with suppress(ClientError):
        account.clients.any("s3").create_bucket(Bucket="example-trail-bucket")
    name = str(case.request.get("name") or case.request["trailName"]).rpartition("/")[2]
    with suppress(ClientError):
        account.clients.any("cloudtrail").create_trail(
            Name=name, S3BucketName="example-trail-bucket", EnableLogFileValidation=True
        )


class _NoOperations:
    """Does nothing in the account, for tests that need only the record."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account

    def invoke_teardown(self, request: Fields) -> None:
        answer = {"Status": "SUCCESS", "RequestId": request["RequestId"], "PhysicalResourceId": RESOURCE}
        self._account.cloudformation.take_answer(json.dumps(answer).encode())

    def update(self, stack: Stack) -> None:
        pass

    def delete_triggers(self) -> None:
        pass

    def delete_enforcement(self) -> str | None:
        return None


def _stack(account: LocalAccount, _case: Case) -> None:
    service = account.cloudformation
    service.operations, service.stack, service.protected = _NoOperations(account), account.stack, False
    service.status = "UPDATE_COMPLETE"


def _forget(account: LocalAccount, name: str) -> None:
    user = account.iam.users.pop(name, None)
    if user:
        account.iam.tagger.delete_all_tags_for_resource(user.arn)


def _create(create: Callable[..., object], **parameters: object) -> None:
    """Create something that may exist already."""
    try:
        create(**parameters)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        assert code in (
            "EntityAlreadyExists",
            "ConflictException",
            "ResourceConflictException",
            "ResourceInUseException",
        )


Prepare: TypeAlias = Callable[[LocalAccount, Case], None]
PREPARED: Final[Mapping[str, Prepare]] = {
    "AttachGroupPolicy": _group,
    "AttachRolePolicy": _role,
    "CreateAccessKey": _keys,
    "CreateLoginProfile": _no_password,
    "CreatePolicyVersion": _policy,
    "CreateServiceSpecificCredential": _service_credentials,
    "CreateUser": _user_does_not_exist,
    "CreateVirtualMFADevice": _no_device,
    "DeactivateMFADevice": _attached_device,
    "DeleteAlarms": _alarms,
    "DeleteFunction": _function,
    "DeleteFunctionEventInvokeConfig": _function,
    "DeleteGroup": _group,
    "DeleteLoginProfile": _password,
    "DeletePolicy": _policy,
    "DeleteQueue": _queue,
    "DeleteRolePolicy": _role,
    "DeleteRule": _rule,
    "DeleteSchedule": _schedule,
    "DeleteStack": _stack,
    "DeleteTable": _table,
    "DeleteTopic": _topic,
    "DeleteTrail": _trail,
    "DeleteUserPermissionsBoundary": _boundary,
    "DetachGroupPolicy": _group_with_policy,
    "DetachUserPolicy": _attached_to_a_user,
    "DisableAlarmActions": _alarms,
    "DisableRule": _rule,
    "EnableMFADevice": _free_device,
    "EnableRule": _rule,
    "PurgeQueue": _queue,
    "PutEventSelectors": _trail,
    "PutFunctionConcurrency": _function,
    "PutGroupPolicy": _group,
    "PutRolePermissionsBoundary": _role,
    "PutRolePolicy": _role,
    "PutRule": _rule,
    "PutTargets": _rule,
    "PutUserPermissionsBoundary": _boundary,
    "RemoveTargets": _rule,
    "RemoveUserFromGroup": _member,
    "ResetServiceSpecificCredential": _service_credentials,
    "SetDefaultPolicyVersion": _policy,
    "SetQueueAttributes": _queue,
    "SetSubscriptionAttributes": _topic,
    "SetTopicAttributes": _topic,
    "StopLogging": _trail,
    "TagUser": _user_exists,
    "Unsubscribe": _topic,
    "UntagUser": _user_exists,
    "UpdateAccessKey": _keys,
    "UpdateAssumeRolePolicy": _role,
    "UpdateContinuousBackups": _table,
    "UpdateFunctionCode": _function,
    "UpdateFunctionConfiguration": _function,
    "UpdateGroup": _group,
    "UpdateLoginProfile": _password,
    "UpdateSSHPublicKey": _ssh_keys,
    "UpdateSchedule": _schedule,
    "UpdateServiceSpecificCredential": _service_credentials,
    "UpdateSigningCertificate": _certificates,
    "UpdateStack": _stack,
    "UpdateTerminationProtection": _stack,
    "UpdateTrail": _trail,
    "UpdateUser": _user_exists,
    "UploadSSHPublicKey": _ssh_keys,
    "UploadSigningCertificate": _certificates,
}


def _codes(account: LocalAccount, case: Case) -> Fields:
    seed = account.iam.virtual_mfa_devices[case.named("serialNumber")].base32_string_seed
    if case.error:
        return {"AuthenticationCode1": "000000", "AuthenticationCode2": "000000"}
    return {"AuthenticationCode1": code(account, seed, -30), "AuthenticationCode2": code(account, seed)}


def _service_credential_id(account: LocalAccount, case: Case) -> Fields:
    listed = account.clients.iam.list_service_specific_credentials(UserName=case.user)["ServiceSpecificCredentials"]
    return {"ServiceSpecificCredentialId": listed[0]["ServiceSpecificCredentialId"]}


def _ssh_key_id(account: LocalAccount, case: Case) -> Fields:
    return {"SSHPublicKeyId": account.iam.users[case.user].ssh_public_keys[0].ssh_public_key_id}


def _certificate_id(account: LocalAccount, case: Case) -> Fields:
    return {"CertificateId": next(iter(account.iam.users[case.user].signing_certificates))}


# Parameters that a call needs and its record does not contain, or that are new in each call.
NOT_RECORDED: Final[Mapping[str, Callable[[LocalAccount, Case], Fields]]] = {
    "UpdateStack": lambda _account, case: {"Parameters": [ALL]} if "parameters" in case.request else {},
    "CreateLoginProfile": lambda _account, _case: {"Password": "Not-a-real-passw0rd"},
    "EnableMFADevice": _codes,
    "ResetServiceSpecificCredential": _service_credential_id,
    "UpdateLoginProfile": lambda _account, _case: {"Password": "Not-a-real-passw0rd"},
    "UpdateSSHPublicKey": _ssh_key_id,
    "UpdateServiceSpecificCredential": _service_credential_id,
    "UpdateSigningCertificate": _certificate_id,
    "UpdateFunctionCode": lambda _account, _case: {"ZipFile": ARCHIVE},
    "UpdateFunctionConfiguration": lambda _account, _case: {"Environment": {"Variables": {"MODE": "all"}}},
}


def caller_of(account: LocalAccount, case: Case) -> Caller:
    """Return the caller in a file."""
    identity, callers = case.identity, account.callers
    context = identity.get("sessionContext")
    mfa = isinstance(context, Mapping) and context["attributes"]["mfaAuthenticated"] == "true"
    console = case.record.get("sessionCredentialFromConsole") == "true"
    if identity["type"] == "Root":
        found = callers.root_session(mfa=mfa, from_console=console)
    elif identity["type"] == "AssumedRole":
        assert isinstance(context, Mapping)
        found = _role_session(account, fields(context["sessionIssuer"]), str(identity["principalId"]), mfa=mfa)
    else:
        name, path = str(identity["userName"]), str(identity["arn"]).partition(":user")[2].rpartition("/")[0]
        if name not in account.iam.users or account.iam.users[name].path != f"{path}/":
            _forget(account, name)
            account.clients.iam.create_user(UserName=name, Path=f"{path}/")
        found = callers.user_session(name, mfa=mfa) if context else callers.key_caller(name)
    agent, address = str(case.record["userAgent"]), str(case.record["sourceIPAddress"])
    return replace(found, from_console=console, user_agent=agent, address=address)


def _role_session(account: LocalAccount, issuer: Fields, principal: str, *, mfa: bool) -> Caller:
    arn, name = str(issuer["arn"]), str(issuer["userName"])
    path = arn.partition(":role")[2].removesuffix(name)
    _create(account.clients.iam.create_role, RoleName=name, Path=path, AssumeRolePolicyDocument=DOCUMENT)
    return account.callers.role_session(arn, principal.partition(":")[2], mfa=mfa)


def parameters(value: object, shape: Shape) -> object:
    """Return the parameters in a record as the API spells them, without the fields that CloudTrail adds."""
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        names = {name[:1].lower() + name[1:]: name for name in shape.members}
        known = {names[key]: each for key, each in value.items() if key in names}
        return {name: parameters(each, shape.members[name]) for name, each in known.items()}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [parameters(each, shape.member) for each in value]
    return value == "true" if shape.type_name == "boolean" and isinstance(value, str) else value


def written(account: LocalAccount, case: Case, operation: str) -> Fields:
    """Return the envelope that the account writes for the call in a file."""
    caller = caller_of(account, case)
    PREPARED[operation](account, case)
    source = str(case.record["eventSource"]).partition(".")[0]
    client = acting_as(account, caller).any(SERVICES.get(source, source))
    model: OperationModel = client.meta.service_model.operation_model(operation)  # type: ignore[attr-defined]
    assert model.input_shape is not None
    given = parameters(_of_this_stack(account, case.request), model.input_shape)
    assert isinstance(given, Mapping)
    more = NOT_RECORDED[operation](account, case) if operation in NOT_RECORDED else {}
    with account.holding_events() as held:
        with suppress(ClientError):
            getattr(client, xform_name(operation))(**{**given, **more})
        [(envelope, _)] = held
    return envelope


def _of_this_stack(account: LocalAccount, value: object) -> object:
    return json.loads(json.dumps(value).replace(RECORDED_STACK, account.cloudformation.stack_id))


IMPOSSIBLE: Final = {name: why for why, names in CANNOT_BE.items() for name in names}
OPERATIONS: Final = calls_by_event(STACK)
KNOWN: Final = tuple(each for each in CASES if (each.record["eventSource"], each.record["eventName"]) in OPERATIONS)
CALLS: Final = tuple(each for each in KNOWN if each.name not in IMPOSSIBLE and each.record["eventType"] == "AwsApiCall")
SIGN_INS: Final = tuple(
    each for each in KNOWN if each.name not in IMPOSSIBLE and each.record["eventType"] == "AwsConsoleSignIn"
)


@pytest.fixture
def deny_calls(account: LocalAccount) -> Iterator[Callable[[], None]]:
    """Return a function that makes IAM deny every call, because no policy is evaluated here."""

    def deny(call: Call, caller: Caller) -> Response | None:
        if caller.unrecorded:
            return None
        return error_response(call, call.service, "AccessDenied", "User is not authorized to perform it.")

    before = account.gateway.intercept

    def begin() -> None:
        account.gateway.intercept = deny

    yield begin
    account.gateway.intercept = before


@pytest.mark.parametrize("case", CALLS, ids=lambda each: each.name)
def test_a_record_equals_its_file(account: LocalAccount, case: Case, deny_calls: Callable[[], None]) -> None:
    operation = OPERATIONS[case.record["eventSource"], case.record["eventName"]]
    if case.error == "AccessDenied":
        deny_calls()
    envelope = written(account, case, operation)
    recorded = _of_this_stack(account, case.envelope)
    found = differences(fields(recorded), envelope)
    assert {path: text for path, text in found.items() if path not in DIFFERS.get(case.name, {})} == {}
    assert DIFFERS.get(case.name, {}).keys() <= found.keys(), "The record no longer differs; remove the entry."


@pytest.mark.parametrize("case", SIGN_INS, ids=lambda each: each.name)
def test_a_sign_in_equals_its_file(account: LocalAccount, case: Case) -> None:
    data = fields(case.record["additionalEventData"])
    user = None if case.identity["type"] == "Root" else str(case.identity["userName"])
    if user:
        _forget(account, user)
        account.clients.iam.create_user(UserName=user)
    if user and "MFAIdentifier" in data:
        new_device(account, str(data["MFAIdentifier"]))
        account.iam.enable_mfa_device(user, str(data["MFAIdentifier"]), "", "")
    agent, address = str(case.record["userAgent"]), str(case.record["sourceIPAddress"])
    with account.holding_events() as held:
        account.sign_in(user, mfa=data["MFAUsed"] == "Yes", address=address, user_agent=agent)
        [(envelope, _)] = held
    assert differences(case.envelope, envelope).keys() == DIFFERS[case.name].keys()


def test_the_reasons_are_about_files_that_a_rule_matches() -> None:
    assert IMPOSSIBLE.keys() <= {each.name for each in KNOWN}
    assert DIFFERS.keys() <= {each.name for each in (*CALLS, *SIGN_INS)}


@dataclass(frozen=True)
class OtherCall:
    """A call without a file. `prepare` creates what it needs; `answers` are the names in responseElements."""

    source: str
    operation: str
    parameters: Fields
    request: Fields
    answers: tuple[str, ...] = ()
    prepare: Callable[[Clients], object] = lambda _: None


NAME: Final = "unrecorded"
ROLE: Final = {"RoleName": NAME}
FUNCTION: Final = {"FunctionName": NAME}
TABLE_ARN: Final = f"arn:aws:dynamodb:us-east-1:111122223333:table/{NAME}"
TOPIC_ARN: Final = f"arn:aws:sns:us-east-1:111122223333:{NAME}"
QUEUE_URL: Final = f"https://sqs.us-east-1.amazonaws.com/111122223333/{NAME}"
STATEMENT: Final = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com"}
ALARM: Final = {
    "AlarmName": NAME,
    "Namespace": "AWS/Lambda",
    "MetricName": "Errors",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1.0,
    "ComparisonOperator": "GreaterThanThreshold",
    "Dimensions": [{"Name": "FunctionName", "Value": NAME}],
}
TABLE: Final = {
    "TableName": NAME,
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
}
EXPIRY: Final = {"AttributeName": "expires", "Enabled": True}
QUEUE_PERMISSION: Final = {"QueueUrl": QUEUE_URL, "Label": "l", "AWSAccountIds": ["444455556666"], "Actions": ["*"]}
TOPIC_PERMISSION: Final = {
    "TopicArn": TOPIC_ARN,
    "Label": "l",
    "AWSAccountId": ["444455556666"],
    "ActionName": ["Publish"],
}
FURTHER_POLICY: Final = "arn:aws:iam::111122223333:policy/unrecorded"


def _new_role(clients: Clients) -> None:
    with suppress(ClientError):
        clients.iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=DOCUMENT)


def _bounded_role(clients: Clients) -> None:
    _new_role(clients)
    boundary = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    clients.iam.put_role_permissions_boundary(RoleName=NAME, PermissionsBoundary=boundary)


def _role_with_policy(clients: Clients) -> None:
    _new_role(clients)
    clients.iam.attach_role_policy(RoleName=NAME, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")


def _group_with_inline_policy(clients: Clients) -> None:
    _create(clients.iam.create_group, GroupName=NAME)
    clients.iam.put_group_policy(GroupName=NAME, PolicyName="p", PolicyDocument=DOCUMENT)


def _two_versions(clients: Clients) -> None:
    _create(clients.iam.create_policy, PolicyName=NAME, PolicyDocument=DOCUMENT)
    clients.iam.create_policy_version(PolicyArn=FURTHER_POLICY, PolicyDocument=DOCUMENT)


def _new_function(clients: Clients) -> None:
    runs = {"Runtime": "python3.13", "Handler": "a.b", "Code": {"ZipFile": ARCHIVE}}
    _create(clients.any("lambda").create_function, FunctionName=NAME, Role=FUNCTIONS_ROLE, **runs)


def _permitted_function(clients: Clients) -> None:
    _new_function(clients)
    _create(clients.any("lambda").add_permission, FunctionName=NAME, **STATEMENT)


def _configured_function(clients: Clients) -> None:
    _new_function(clients)
    clients.any("lambda").put_function_event_invoke_config(FunctionName=NAME, MaximumRetryAttempts=2)


def _new_table(clients: Clients) -> None:
    _create(clients.any("dynamodb").create_table, **TABLE)


def _table_with_policy(clients: Clients) -> None:
    _new_table(clients)
    clients.any("dynamodb").put_resource_policy(ResourceArn=TABLE_ARN, Policy=DOCUMENT)


def _new_queue(clients: Clients) -> None:
    clients.sqs.create_queue(QueueName=NAME)


def _permitted_queue(clients: Clients) -> None:
    _new_queue(clients)
    with suppress(ClientError):
        clients.any("sqs").add_permission(**QUEUE_PERMISSION)


def _new_topic(clients: Clients) -> None:
    clients.sns.create_topic(Name=NAME)


def _permitted_topic(clients: Clients) -> None:
    _new_topic(clients)
    with suppress(ClientError):
        clients.any("sns").add_permission(**TOPIC_PERMISSION)


OTHER_CALLS: Final = (
    OtherCall(
        "cloudformation",
        "SetStackPolicy",
        {"StackName": "mfa-guard", "StackPolicyBody": "{}"},
        {"stackName": "mfa-guard", "stackPolicyBody": "{}"},
    ),
    OtherCall(
        "dynamodb",
        "UpdateTable",
        {"TableName": NAME, "BillingMode": "PAY_PER_REQUEST"},
        {"tableName": NAME, "billingMode": "PAY_PER_REQUEST"},
        ("tableDescription",),
        _new_table,
    ),
    OtherCall(
        "dynamodb",
        "UpdateTimeToLive",
        {"TableName": NAME, "TimeToLiveSpecification": EXPIRY},
        {"tableName": NAME, "timeToLiveSpecification": {"attributeName": "expires", "enabled": True}},
        ("timeToLiveSpecification",),
        _new_table,
    ),
    OtherCall(
        "dynamodb",
        "PutResourcePolicy",
        {"ResourceArn": TABLE_ARN, "Policy": DOCUMENT},
        {"resourceArn": TABLE_ARN, "policy": DOCUMENT},
        ("revisionId",),
        _new_table,
    ),
    OtherCall(
        "dynamodb",
        "DeleteResourcePolicy",
        {"ResourceArn": TABLE_ARN},
        {"resourceArn": TABLE_ARN},
        (),
        _table_with_policy,
    ),
    OtherCall(
        "iam",
        "DeleteGroupPolicy",
        {"GroupName": NAME, "PolicyName": "p"},
        {"groupName": NAME, "policyName": "p"},
        (),
        _group_with_inline_policy,
    ),
    OtherCall(
        "iam",
        "DeletePolicyVersion",
        {"PolicyArn": FURTHER_POLICY, "VersionId": "v2"},
        {"policyArn": FURTHER_POLICY, "versionId": "v2"},
        (),
        _two_versions,
    ),
    OtherCall("iam", "DeleteRole", ROLE, {"roleName": NAME}, (), _new_role),
    OtherCall("iam", "DeleteRolePermissionsBoundary", ROLE, {"roleName": NAME}, (), _bounded_role),
    OtherCall(
        "iam",
        "DetachRolePolicy",
        {"RoleName": NAME, "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        {"roleName": NAME, "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        (),
        _role_with_policy,
    ),
    OtherCall(
        "lambda",
        "AddPermission",
        {**FUNCTION, **STATEMENT, "StatementId": "t"},
        {
            "functionName": NAME,
            "statementId": "t",
            "action": "lambda:InvokeFunction",
            "principal": "events.amazonaws.com",
        },
        ("statement",),
        _new_function,
    ),
    OtherCall(
        "lambda",
        "RemovePermission",
        {**FUNCTION, "StatementId": "s"},
        {"functionName": NAME, "statementId": "s"},
        (),
        _permitted_function,
    ),
    OtherCall(
        "lambda",
        "PutFunctionEventInvokeConfig",
        {**FUNCTION, "MaximumRetryAttempts": 0},
        {"functionName": NAME, "maximumRetryAttempts": 0},
        ("functionArn", "lastModified", "maximumRetryAttempts"),
        _new_function,
    ),
    OtherCall(
        "lambda",
        "UpdateFunctionEventInvokeConfig",
        {**FUNCTION, "MaximumRetryAttempts": 0},
        {"functionName": NAME, "maximumRetryAttempts": 0},
        ("functionArn", "lastModified", "maximumRetryAttempts"),
        _configured_function,
    ),
    OtherCall(
        "monitoring",
        "PutMetricAlarm",
        ALARM,
        {
            **{name[:1].lower() + name[1:]: value for name, value in ALARM.items()},
            "dimensions": [{"name": "FunctionName", "value": NAME}],
        },
    ),
    OtherCall(
        "monitoring",
        "SetAlarmState",
        {"AlarmName": NAME, "StateValue": "OK", "StateReason": "all is well"},
        {"alarmName": NAME, "stateValue": "OK", "stateReason": "all is well"},
        (),
        lambda clients: clients.any("cloudwatch").put_metric_alarm(**ALARM),
    ),
    OtherCall(
        "sns",
        "AddPermission",
        {**TOPIC_PERMISSION, "Label": "m"},
        {"topicArn": TOPIC_ARN, "label": "m", "aWSAccountId": ["444455556666"], "actionName": ["Publish"]},
        (),
        _new_topic,
    ),
    OtherCall(
        "sns",
        "RemovePermission",
        {"TopicArn": TOPIC_ARN, "Label": "l"},
        {"topicArn": TOPIC_ARN, "label": "l"},
        (),
        _permitted_topic,
    ),
    OtherCall(
        "sns",
        "Subscribe",
        {"TopicArn": TOPIC_ARN, "Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:111122223333:q"},
        {"topicArn": TOPIC_ARN, "protocol": "sqs", "endpoint": "arn:aws:sqs:us-east-1:111122223333:q"},
        ("subscriptionArn",),
        _new_topic,
    ),
    OtherCall(
        "sqs",
        "AddPermission",
        {**QUEUE_PERMISSION, "Label": "m"},
        {"queueUrl": QUEUE_URL, "label": "m", "aWSAccountIds": ["444455556666"], "actions": ["*"]},
        (),
        _new_queue,
    ),
    OtherCall(
        "sqs",
        "RemovePermission",
        {"QueueUrl": QUEUE_URL, "Label": "l"},
        {"queueUrl": QUEUE_URL, "label": "l"},
        (),
        _permitted_queue,
    ),
)

# Calls that a rule matches and that cannot be made here, with the reason.
UNSUPPORTED: Final[Mapping[tuple[str, str], str]] = {
    ("cloudformation", "CreateChangeSet"): "the local account does not support change sets",
    ("cloudformation", "ExecuteChangeSet"): "the local account does not support change sets",
    ("cloudformation", "RollbackStack"): "the local account does not roll back",
    ("cloudformation", "ContinueUpdateRollback"): "the local account does not roll back",
    ("sns", "PutDataProtectionPolicy"): "moto does not support it",
}


@pytest.mark.parametrize("call", OTHER_CALLS, ids=lambda each: f"{each.source}-{each.operation}")
def test_the_record_of_a_call_without_a_file_is_like_others_of_its_service(
    account: LocalAccount, call: OtherCall
) -> None:
    call.prepare(account.clients)
    client = administrator(account).any(SERVICES.get(call.source, call.source))
    with account.holding_events() as held:
        getattr(client, xform_name(call.operation))(**call.parameters)
        [(envelope, _)] = held
    record, source = fields(envelope["detail"]), f"{call.source}.amazonaws.com"
    like = next(
        each.record
        for each in CALLS
        if each.record["eventSource"] == source and each.identity["type"] == "IAMUser"
        if not each.error and "sessionContext" not in each.identity
    )
    assert (record.keys(), fields(record["userIdentity"]).keys()) == (
        like.keys(),
        fields(like["userIdentity"]).keys(),
    )
    assert record["requestParameters"] == call.request
    assert tuple(sorted(fields(record["responseElements"] or {}))) == call.answers


@pytest.mark.parametrize("call", UNSUPPORTED, ids="-".join)
def test_an_unsupported_call_is_refused_in_one_sentence(account: LocalAccount, call: tuple[str, str]) -> None:
    service, operation = call
    parameters = {
        "CreateChangeSet": {"StackName": "mfa-guard", "ChangeSetName": "c"},
        "ExecuteChangeSet": {"StackName": "mfa-guard", "ChangeSetName": "c"},
        "RollbackStack": {"StackName": "mfa-guard"},
        "ContinueUpdateRollback": {"StackName": "mfa-guard"},
        "PutDataProtectionPolicy": {"ResourceArn": TOPIC_ARN, "DataProtectionPolicy": "{}"},
    }[operation]
    with (
        account.holding_events(),
        pytest.raises(ClientError, match=r"The local account does not support") as refused,
    ):
        getattr(administrator(account).any(service), xform_name(operation))(**parameters)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_every_call_that_a_rule_matches_is_compared_made_or_has_a_reason() -> None:
    compared = {(each.record["eventSource"], each.record["eventName"]) for each in (*CALLS, *SIGN_INS)}
    made = {(f"{each.source}.amazonaws.com", each.operation) for each in OTHER_CALLS}
    named = {(f"{service}.amazonaws.com", operation) for service, operation in UNSUPPORTED}
    others = {
        (source, operation) for (source, event), operation in OPERATIONS.items() if (source, event) not in compared
    }
    # A call whose only file cannot be made has a reason there. tests/emulator/test_rules.py makes the last one.
    explained = {(each.record["eventSource"], each.record["eventName"]) for each in KNOWN if each.name in IMPOSSIBLE}
    explained |= {("lambda.amazonaws.com", "CreateEventSourceMapping20150331")}
    unnamed = {
        (source, operation)
        for (source, event), operation in OPERATIONS.items()
        if (source, event) in explained - compared
    }
    assert made | named | unnamed == others
    assert not made & named
