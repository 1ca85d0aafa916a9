"""What the functions share at run time: logs and metrics, idempotency, parsing, clients."""
