"""How tests are run here: the same generated examples in every CI run, new ones at every desk, and few idle cores."""

import os

from hypothesis import settings

# Deadlines measure the machine. CI repeats itself, so that a red run is about the change and not about the dice.
settings.register_profile("desk", deadline=None, print_blob=True)
settings.register_profile("ci", parent=settings.get_profile("desk"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_xdist_auto_num_workers() -> int:
    """Return one more than there are cores: the tests of running functions spend much of their time waiting."""
    return (os.cpu_count() or 1) + 1
