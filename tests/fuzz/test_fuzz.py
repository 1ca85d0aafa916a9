"""No generated event causes an undeclared error, a secret in the log, or a log line that is too long.

A fixed seed chooses the events. `make fuzz` sends two hundred times as many.
"""

from fuzz.run import send


def test_generated_events_cause_only_declared_errors_and_clean_logs() -> None:
    understood, longest = send(1_000, seeded=0)
    # Events that every parser refuses would not reach the code behind the parsers.
    for function in ("UserEventFunction", "AlertFunction", "SweepFunction", "TeardownFunction", "route"):
        assert understood[function] >= 10, function
    assert longest > 0
