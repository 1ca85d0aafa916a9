"""What every function shares at run time: logs and metrics, idempotency, parsing of events."""
