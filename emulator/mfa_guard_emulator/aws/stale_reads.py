"""Eventual consistency: a read of IAM may show a user as the user was before the last change.

IAM documents that changes are not visible everywhere at once, in both directions: what is new is missing, and what was
removed is still listed. https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar


class Kind(StrEnum):
    """The parts of a user that IAM's reads show independently of each other."""

    ATTACHMENTS = "attachments"
    GROUPS = "groups"
    KEYS = "keys"
    DEVICES = "devices"
    PROFILES = "profiles"
    USERS = "users"


T = TypeVar("T")
# Whether a read of a part of the user with a name shows the past, by the time since the last change to it.
ShowsPast: TypeAlias = Callable[[Kind, str, timedelta], bool]
# The parts of the users with some names. None is for a name that no user has.
Parts: TypeAlias = Mapping[tuple[Kind, str], object]

_ALWAYS: Final = timedelta.max


class StaleReads:
    """What the parts of every user were before the last change, and which reads show it.

    The user is a name here, because IAM's calls name users: after a rename, the old name may still find the user.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._past: Mapping[tuple[Kind, str], tuple[datetime, object]] = {}
        self._shows_past: ShowsPast | None = None

    def show_past(self, *kinds: Kind, lasting: timedelta = _ALWAYS, reads: int | None = None) -> None:
        """Make reads of these kinds show the past until a change is `lasting` old, or for `reads` reads only."""
        left = iter(range(reads)) if reads is not None else None

        def shows_past(kind: Kind, _name: str, age: timedelta) -> bool:
            return kind in kinds and age < lasting and (left is None or next(left, None) is not None)

        self.choose(shows_past)

    def choose(self, shows_past: ShowsPast) -> None:
        """Let `shows_past` choose for each read that could differ whether it shows the past."""
        self._shows_past = shows_past

    def become_consistent(self) -> None:
        """Make every read show what is true."""
        self._shows_past = None

    @property
    def may_show_past(self) -> bool:
        """Tell whether any read may show the past."""
        return self._shows_past is not None

    @property
    def past(self) -> Mapping[tuple[Kind, str], object]:
        """Return the parts that were changed, by name, each as it was before the last change."""
        return {each: value for each, (_, value) in self._past.items()}

    def forget(self, part: tuple[Kind, str] | None = None) -> None:
        """Forget the past of one part, or of all: what was changed so far was changed long ago."""
        self._past = {each: past for each, past in self._past.items() if part not in {None, each}}

    @contextmanager
    def changing(self, parts: Callable[[], Parts]) -> Iterator[None]:
        """Remember what changes until the end of the block. `parts` returns the parts that may change, as they are."""
        before, began = parts(), self._past
        try:
            yield
        finally:
            # A change that consists of several changes counts once: the past is what was before all of them.
            now, after = self._now(), parts()
            past = {each: past for each, past in self._past.items() if each not in before and each not in after}
            for each in {*before, *after}:
                if before.get(each) != after.get(each):
                    past[each] = (now, before.get(each))
                elif each in began:
                    past[each] = began[each]
            self._past = past

    def shown(self, kind: Kind, name: str, current: T) -> T:
        """Return what a read shows: `current`, or what it was before."""
        return self.all_shown(kind, {name: current}, {name})[name]

    def all_shown(self, kind: Kind, current: Mapping[str, T], names: Iterable[str] | None = None) -> dict[str, T]:
        """Return what a listing shows by name: of the users in `current`, and of those who were there before."""
        if self._shows_past is None:
            return dict(current)
        past = {name: value for (part, name), value in self._past.items() if part is kind}
        shown = dict(current)
        for name in past.keys() & set(names) if names is not None else list(past):
            when, value = past[name]
            if self._shows_past(kind, name, self._now() - when):
                shown[name] = value  # type: ignore[assignment] # the recorder stores what the reader shows
        return shown
