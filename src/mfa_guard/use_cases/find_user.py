"""Find the user that an event is about. A user is an id: a name can be changed, and given to another user."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mfa_guard.core.errors import NotVisibleYet, UserGone
from mfa_guard.core.user import UserState
from mfa_guard.ports import Iam, UserLookup
from mfa_guard.use_cases.patience import Patience

# How far the clocks of CloudTrail and IAM may differ. Both show whole seconds.
_CLOCKS_DIFFER: Final = timedelta(seconds=5)


@dataclass(frozen=True)
class Sought:
    """What an event knows of its subject: the user's name and id at that time, and the id of one of the user's keys.

    If the id is known, only the user with this id is the subject. Otherwise a user who was created after `at`, the
    event's time, is another user with the same name. `expected`: the event proves that the user existed a moment ago,
    so that IAM may not show the user yet.
    """

    name: str | None
    id: str | None = None
    key_id: str | None = None
    expected: bool = False
    at: datetime | None = None


def find_user(sought: Sought, iam: Iam, lookup: UserLookup, patience: Patience) -> UserState | None:
    """Return the user as GetUser shows it, or None if the user is gone.

    A user who is expected and not found is looked for again until the patience ends. Raises NotVisibleYet if IAM lists
    the id and does not show the user, and what `iam` and `lookup` raise.
    """
    while True:
        try:
            found = _look(sought, iam, lookup)
        except NotVisibleYet:
            if not patience.wait():
                raise
            continue
        if found or not sought.expected or not patience.wait():
            return found


def _look(sought: Sought, iam: Iam, lookup: UserLookup) -> UserState | None:
    # A key shows its user's current name, so a key tells apart a renamed user and a new user with the old name.
    owner = iam.key_owner(sought.key_id) if sought.key_id else None
    for name in dict.fromkeys((owner, sought.name)):
        if name and (found := _user(name, sought, iam)):
            return found
    current = lookup.name_of(sought.id) if sought.id else None
    if current is None:
        return None
    if found := _user(current, sought, iam):
        return found
    raise NotVisibleYet(f"IAM lists {sought.id} as {current} and does not show this user.")


def _user(name: str, sought: Sought, iam: Iam) -> UserState | None:
    try:
        found = iam.user(name)
    except UserGone:
        return None
    if sought.id:
        return found if found.id == sought.id else None
    return None if sought.at and found.created_at > sought.at + _CLOCKS_DIFFER else found
