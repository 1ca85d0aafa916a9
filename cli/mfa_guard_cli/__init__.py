"""The tools around mfa-guard that run on a person's machine."""
