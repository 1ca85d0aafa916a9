"""The settings of Hypothesis and of parallel runs."""

import os

from hypothesis import HealthCheck, settings

# Deadlines would measure the machine. CI generates the same examples in every run, so that a failure is caused by the
# change. Other runs generate new examples.
settings.register_profile("local", deadline=None, print_blob=True)
settings.register_profile("ci", parent=settings.get_profile("local"), derandomize=True)
# mutmut runs the tests several times in one process. A few examples per mutant keep it fast.
settings.register_profile(
    "mutants",
    parent=settings.get_profile("ci"),
    max_examples=25,
    suppress_health_check=[HealthCheck.differing_executors],
)
_PROFILES = {"CI": "ci", "MUTANT_UNDER_TEST": "mutants"}
settings.load_profile(next((_PROFILES[name] for name in reversed(_PROFILES) if name in os.environ), "local"))


def pytest_xdist_auto_num_workers() -> int:
    """Return the number of cores plus one, because tests of running functions wait much of the time."""
    return (os.cpu_count() or 1) + 1
