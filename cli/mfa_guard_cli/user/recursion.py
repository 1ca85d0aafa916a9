"""Who waits for this process: so that a credential_process never ends up waiting for itself."""

import json
from collections.abc import Mapping, MutableMapping
from typing import Final

# In the environment: the profiles whose mfa-guard session waits for this process, outermost first, as JSON.
MARK: Final = "MFA_GUARD_SESSION_OF"


def waiting(environment: Mapping[str, str]) -> list[str]:
    """Return the profiles that wait; none where the mark is not one of ours."""
    try:
        names = json.loads(environment.get(MARK, "[]"))
    except ValueError:
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def wait_for(environment: MutableMapping[str, str], profile: str) -> None:
    """Note that a profile waits for whatever is called from here on."""
    environment[MARK] = json.dumps([*waiting(environment), profile])
