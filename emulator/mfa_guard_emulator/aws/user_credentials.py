"""IAM's calls about service-specific credentials, passwords and permissions boundaries, as far as moto lacks them."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from weakref import WeakKeyDictionary

from moto.core.responses import ActionResult, EmptyResult
from moto.core.serialize import never_return
from moto.iam.exceptions import IAMException, LimitExceededException, NotFoundException
from moto.iam.models import IAMBackend, SigningCertificate, SshPublicKey, User
from moto.iam.responses import IamResponse
from moto.iam.utils import generate_access_key_id_from_account_id

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
CREDENTIALS_PER_SERVICE: Final = 2
_BEDROCK: Final = "bedrock.amazonaws.com"
_SERVICES: Final = frozenset({_BEDROCK, "cassandra.amazonaws.com", "codecommit.amazonaws.com", "logs.amazonaws.com"})


class _NotSupportedService(IAMException):
    code = "NotSupportedService"


@dataclass(frozen=True)
class ServiceSpecificCredential:
    """A user name and a password for one service."""

    id: str
    service: str
    created: datetime
    status: str = "Active"

    def shown(self, user: User) -> dict[str, object]:
        """Return the credential as ListServiceSpecificCredentials shows it."""
        return {
            "UserName": user.name,
            "Status": self.status,
            "ServiceUserName": f"{user.name}-at-{user.account_id}",
            "CreateDate": self.created,
            "ServiceSpecificCredentialId": self.id,
            "ServiceName": self.service,
        }


class ServiceSpecificCredentials:
    """The service-specific credentials of all users. `now` returns the time in UTC, without a time zone, as moto's."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._kept: WeakKeyDictionary[User, dict[str, ServiceSpecificCredential]] = WeakKeyDictionary()

    def patches(self) -> tuple[tuple[type, str, object], ...]:
        """Return the methods that moto lacks."""
        return (
            (IamResponse, "create_service_specific_credential", _as_method(self._create)),
            (IamResponse, "delete_service_specific_credential", _as_method(self._delete)),
            (IamResponse, "list_service_specific_credentials", _as_method(self._list)),
            (IamResponse, "reset_service_specific_credential", _as_method(self._reset)),
            (IamResponse, "update_service_specific_credential", _as_method(self._update)),
        )

    def _create(self, response: IamResponse) -> ActionResult:
        user, service = _user(response), _text(response, "ServiceName")
        if service not in _SERVICES:
            raise _NotSupportedService(f"No such service {service} is supported for service-specific credentials.")
        kept = self._kept.setdefault(user, {})
        if sum(each.service == service for each in kept.values()) >= CREDENTIALS_PER_SERVICE:
            limit = f"ServiceSpecificCredentialsPerUserPerService: {CREDENTIALS_PER_SERVICE}"
            raise LimitExceededException(f"Cannot exceed quota for {limit}")
        credential_id = generate_access_key_id_from_account_id(user.account_id, prefix="ACCA", total_length=21)
        made = kept[credential_id] = ServiceSpecificCredential(credential_id, service, self._now())
        return _with_password(made, user)

    def _reset(self, response: IamResponse) -> ActionResult:
        user = _user(response)
        return _with_password(self._find(response, user), user)

    def _update(self, response: IamResponse) -> ActionResult:
        user = _user(response)
        found = self._find(response, user)
        self._kept[user][found.id] = replace(found, status=_text(response, "Status"))
        return EmptyResult()

    def _delete(self, response: IamResponse) -> ActionResult:
        user = _user(response)
        del self._kept[user][self._find(response, user).id]
        return EmptyResult()

    def _list(self, response: IamResponse) -> ActionResult:
        user, service = _user(response), response._get_param("ServiceName")  # noqa: SLF001
        kept = self._kept.get(user, {}).values()
        listed = [each.shown(user) for each in kept if service in (None, each.service)]
        return ActionResult({"ServiceSpecificCredentials": listed})

    def _find(self, response: IamResponse, user: User) -> ServiceSpecificCredential:
        credential_id = _text(response, "ServiceSpecificCredentialId")
        found = self._kept.get(user, {}).get(credential_id)
        if found is None:
            raise NotFoundException(f"Service-specific credential {credential_id} does not exist.")
        return found


def _as_method(answer: Callable[[IamResponse], ActionResult]) -> Callable[[IamResponse], ActionResult]:
    """Return a function of the response's class: moto finds its methods with inspect.isfunction."""

    def method(response: IamResponse) -> ActionResult:
        return answer(response)

    return method


# ListUsers shows no boundary, GetUser does.
_LISTED_WITHOUT_BOUNDARY: Final = {
    **IamResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER,
    "ListUsersResponse.Users.User.PermissionsBoundary": never_return,
}


def other_patches() -> tuple[tuple[type, str, object], ...]:
    """Return the methods that moto lacks, or that differ from AWS: boundaries, passwords, ids and fingerprints."""
    return (
        (IamResponse, "delete_user_permissions_boundary", _delete_boundary),
        (IamResponse, "put_user_permissions_boundary", _put_boundary),
        (IamResponse, "RESPONSE_KEY_PATH_TO_TRANSFORMER", _LISTED_WITHOUT_BOUNDARY),
        (IamResponse, "update_login_profile", _update_password),
        (SshPublicKey, "__init__", _with_aws_like_key()),
        (IAMBackend, "upload_signing_certificate", _with_upper_case_id()),
    )


def _user(response: IamResponse) -> User:
    return response.backend.get_user(_text(response, "UserName"))


def _text(response: IamResponse, parameter: str) -> str:
    return str(response._get_param(parameter))  # noqa: SLF001 - moto has no public method that reads a parameter


def _with_password(credential: ServiceSpecificCredential, user: User) -> ActionResult:
    shown = {**credential.shown(user), "ServicePassword": secrets.token_urlsafe(30)}
    return ActionResult({"ServiceSpecificCredential": shown})


def _put_boundary(response: IamResponse) -> ActionResult:
    user, arn = _user(response), _text(response, "PermissionsBoundary")
    # moto does not have every policy of AWS.
    if ":aws:policy/" not in arn and arn not in response.backend.managed_policies:
        raise NotFoundException(f"Scope ARN: {arn} does not exist or is not attachable.")
    shown = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
    vars(user)["permissions_boundary"] = shown
    return EmptyResult()


def _delete_boundary(response: IamResponse) -> ActionResult:
    user = _user(response)
    if vars(user).pop("permissions_boundary", None) is None:
        raise NotFoundException(f"User {user.name} does not have a permissions boundary.")
    return EmptyResult()


def _update_password(response: IamResponse) -> ActionResult:
    """Change what the call names; moto removes the password of a call that names only the reset."""
    user = response.backend.get_login_profile(_text(response, "UserName"))
    password, required = (response._get_param(each) for each in ("Password", "PasswordResetRequired"))  # noqa: SLF001
    user.password = password or user.password
    if required is not None:
        user.password_reset_required = str(required).lower() == "true"
    return EmptyResult()


def _with_aws_like_key() -> object:
    """Write the fingerprint with colons, and an id of AWS's length."""
    init = SshPublicKey.__init__

    def init_with_fingerprint(key: SshPublicKey, user_name: str, ssh_public_key_body: str) -> None:
        init(key, user_name, ssh_public_key_body)
        key.ssh_public_key_id = key.ssh_public_key_id[:20]
        digits = key.fingerprint
        key.fingerprint = ":".join(digits[place : place + 2] for place in range(0, len(digits), 2))

    return init_with_fingerprint


def _with_upper_case_id() -> object:
    upload = IAMBackend.upload_signing_certificate

    def upload_with_id(backend: IAMBackend, user_name: str, body: str) -> SigningCertificate:
        certificate = upload(backend, user_name, body)
        kept = backend.get_user(user_name).signing_certificates
        del kept[certificate.id]
        certificate.id = certificate.id.upper()
        kept[certificate.id] = certificate
        return certificate

    return upload_with_id
