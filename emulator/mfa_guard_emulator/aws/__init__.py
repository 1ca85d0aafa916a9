"""The AWS services of the local account."""
