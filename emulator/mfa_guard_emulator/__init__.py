"""The local account: AWS, the stack and its functions on one machine, for development only."""
