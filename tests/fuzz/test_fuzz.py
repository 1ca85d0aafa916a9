"""Whatever an event holds: no error but the declared one, and nothing in the log that should not be there.

A fixed seed chooses the events. `make fuzz` sends two hundred times as many.
"""

from fuzz.run import send


def test_generated_events_raise_nothing_undeclared_and_leave_clean_logs() -> None:
    understood, longest = send(1_000, seeded=0)
    # Events that every parser refuses would show nothing of the code behind the parsers.
    for function in ("UserEventFunction", "AlertFunction", "SweepFunction", "TeardownFunction", "route"):
        assert understood[function] >= 10, function
    assert longest > 0
