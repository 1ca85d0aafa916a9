"""How tests are run here: the same generated examples in every CI run, new ones at every desk, and few idle cores."""

import os

from hypothesis import HealthCheck, settings

# Deadlines measure the machine. CI repeats itself, so that a red run is about the change and not about the dice.
settings.register_profile("desk", deadline=None, print_blob=True)
settings.register_profile("ci", parent=settings.get_profile("desk"), derandomize=True)
# mutmut runs the tests of one process several times; a mutant that a few examples do not kill is not worth a thousand.
settings.register_profile(
    "mutants",
    parent=settings.get_profile("ci"),
    max_examples=25,
    suppress_health_check=[HealthCheck.differing_executors],
)
_PROFILES = {"CI": "ci", "MUTANT_UNDER_TEST": "mutants"}
settings.load_profile(next((_PROFILES[name] for name in reversed(_PROFILES) if name in os.environ), "desk"))


def pytest_xdist_auto_num_workers() -> int:
    """Return one more than there are cores: the tests of running functions spend much of their time waiting."""
    return (os.cpu_count() or 1) + 1
