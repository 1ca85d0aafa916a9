"""The commands of the program mfa-guard-local, one file each."""
