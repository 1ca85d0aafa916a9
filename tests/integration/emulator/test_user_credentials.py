"""The in-process IAM keeps the credentials and the permissions boundary of a user as AWS does."""

import json
import re
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from mfa_guard_emulator.aws.resources import Clients
from support.account import Account
from support.factories import ROOT_OF_THE_PROJECT

GIT = "codecommit.amazonaws.com"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


@pytest.fixture
def clients(account: Account) -> Clients:
    """Return the account's clients, with a user alice."""
    account.clients.iam.create_user(UserName="alice")
    return account.clients


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def create(clients: Clients, service: str = GIT) -> str:
    made = clients.iam.create_service_specific_credential(UserName="alice", ServiceName=service)
    return made["ServiceSpecificCredential"]["ServiceSpecificCredentialId"]


def listed(clients: Clients, **service: str) -> dict[str, str]:
    """Return the listed credentials: id to status."""
    found = clients.iam.list_service_specific_credentials(UserName="alice", **service)  # type: ignore[arg-type]
    return {each["ServiceSpecificCredentialId"]: each["Status"] for each in found["ServiceSpecificCredentials"]}


class TestServiceSpecificCredential:
    def test_it_is_listed_with_its_creation_and_without_its_password(self, clients: Clients) -> None:
        before = datetime.now(UTC).replace(microsecond=0)
        made = clients.iam.create_service_specific_credential(UserName="alice", ServiceName=GIT)
        credential = dict(made["ServiceSpecificCredential"])
        assert re.fullmatch("ACCA[A-Z0-9]{17}", str(credential["ServiceSpecificCredentialId"]))
        assert len(str(credential.pop("ServicePassword"))) > 20
        [shown] = clients.iam.list_service_specific_credentials(UserName="alice")["ServiceSpecificCredentials"]
        assert dict(shown) == credential
        assert before <= shown["CreateDate"] <= datetime.now(UTC)

    def test_its_status_can_be_set_and_its_password_reset(self, clients: Clients) -> None:
        first, second = create(clients), create(clients)
        clients.iam.update_service_specific_credential(
            UserName="alice", ServiceSpecificCredentialId=first, Status="Inactive"
        )
        assert listed(clients) == {first: "Inactive", second: "Active"}
        reset = clients.iam.reset_service_specific_credential(UserName="alice", ServiceSpecificCredentialId=second)
        assert reset["ServiceSpecificCredential"]["ServiceSpecificCredentialId"] == second
        assert reset["ServiceSpecificCredential"]["ServicePassword"]

    def test_the_listing_can_be_of_one_service(self, clients: Clients) -> None:
        git, keyspaces = create(clients), create(clients, "cassandra.amazonaws.com")
        assert listed(clients, ServiceName="cassandra.amazonaws.com") == {keyspaces: "Active"}
        clients.iam.delete_service_specific_credential(UserName="alice", ServiceSpecificCredentialId=keyspaces)
        assert listed(clients) == {git: "Active"}

    def test_a_third_one_for_a_service_is_refused(self, clients: Clients) -> None:
        create(clients)
        create(clients)
        with pytest.raises(ClientError) as refused:
            create(clients)
        assert code(refused) == "LimitExceeded"

    def test_a_renamed_user_keeps_it_and_a_new_user_of_the_name_does_not_have_it(self, clients: Clients) -> None:
        credential = create(clients)
        clients.iam.update_user(UserName="alice", NewUserName="eve")
        clients.iam.create_user(UserName="alice")
        [shown] = clients.iam.list_service_specific_credentials(UserName="eve")["ServiceSpecificCredentials"]
        assert (shown["ServiceSpecificCredentialId"], shown["UserName"]) == (credential, "eve")
        assert listed(clients) == {}

    def test_another_users_id_and_a_missing_user_do_not_exist(self, clients: Clients) -> None:
        credential = create(clients)
        clients.iam.create_user(UserName="bob")
        with pytest.raises(ClientError) as refused:
            clients.iam.update_service_specific_credential(
                UserName="bob", ServiceSpecificCredentialId=credential, Status="Inactive"
            )
        assert code(refused) == "NoSuchEntity"
        with pytest.raises(ClientError) as refused:
            clients.iam.list_service_specific_credentials(UserName="missing-user")
        assert code(refused) == "NoSuchEntity"

    def test_a_service_without_such_credentials_is_refused(self, clients: Clients) -> None:
        with pytest.raises(ClientError) as refused:
            create(clients, "s3.amazonaws.com")
        assert code(refused) == "NotSupportedService"


def test_an_ssh_key_has_an_id_and_a_fingerprint_as_in_aws(clients: Clients) -> None:
    made = clients.iam.upload_ssh_public_key(UserName="alice", SSHPublicKeyBody="ssh-rsa AAAA")["SSHPublicKey"]
    assert re.fullmatch("APKA[A-Z0-9]{16}", made["SSHPublicKeyId"])
    assert re.fullmatch("[0-9a-f]{2}(:[0-9a-f]{2}){15}", made["Fingerprint"])
    clients.iam.update_ssh_public_key(UserName="alice", SSHPublicKeyId=made["SSHPublicKeyId"], Status="Inactive")
    [shown] = clients.iam.list_ssh_public_keys(UserName="alice")["SSHPublicKeys"]
    assert shown["Status"] == "Inactive"


def test_a_certificate_can_be_updated_by_its_id(clients: Clients) -> None:
    record = json.loads((ROOT_OF_THE_PROJECT / "events" / "upload-signing-certificate.json").read_text("utf-8"))
    body = record["detail"]["requestParameters"]["certificateBody"]
    made = clients.iam.upload_signing_certificate(UserName="alice", CertificateBody=body)["Certificate"]
    assert re.fullmatch("[A-Z0-9]{32}", made["CertificateId"])
    clients.iam.update_signing_certificate(UserName="alice", CertificateId=made["CertificateId"], Status="Inactive")
    [shown] = clients.iam.list_signing_certificates(UserName="alice")["Certificates"]
    assert (shown["CertificateId"], shown["Status"]) == (made["CertificateId"], "Inactive")


class TestPassword:
    def test_a_call_that_names_only_the_reset_keeps_it(self, clients: Clients) -> None:
        clients.iam.create_login_profile(UserName="alice", Password="Not-a-real-passw0rd")
        clients.iam.update_login_profile(UserName="alice", PasswordResetRequired=True)
        assert clients.iam.get_login_profile(UserName="alice")["LoginProfile"]["PasswordResetRequired"] is True
        clients.iam.update_login_profile(UserName="alice", Password="An0ther-passw0rd")
        assert clients.iam.get_login_profile(UserName="alice")["LoginProfile"]["PasswordResetRequired"] is True

    def test_without_one_there_is_nothing_to_update(self, clients: Clients) -> None:
        with pytest.raises(ClientError) as refused:
            clients.iam.update_login_profile(UserName="alice", Password="Not-a-real-passw0rd")
        assert code(refused) == "NoSuchEntity"


class TestBoundary:
    def test_get_user_shows_it_and_list_users_does_not(self, clients: Clients) -> None:
        clients.iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary=READ_ONLY)
        shown = clients.iam.get_user(UserName="alice")["User"]["PermissionsBoundary"]
        assert shown == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": READ_ONLY}
        assert all("PermissionsBoundary" not in user for user in clients.iam.list_users()["Users"])

    def test_a_removed_one_is_not_shown(self, clients: Clients) -> None:
        clients.iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary=READ_ONLY)
        clients.iam.delete_user_permissions_boundary(UserName="alice")
        assert "PermissionsBoundary" not in clients.iam.get_user(UserName="alice")["User"]
        with pytest.raises(ClientError) as refused:
            clients.iam.delete_user_permissions_boundary(UserName="alice")
        assert code(refused) == "NoSuchEntity"

    def test_a_policy_that_does_not_exist_is_refused(self, clients: Clients) -> None:
        with pytest.raises(ClientError) as refused:
            clients.iam.put_user_permissions_boundary(
                UserName="alice", PermissionsBoundary="arn:aws:iam::111122223333:policy/missing"
            )
        assert code(refused) == "NoSuchEntity"
