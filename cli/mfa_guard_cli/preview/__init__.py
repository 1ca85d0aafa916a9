"""`mfa-guard preview`: what enforcing would do to an account's users, before anything is deployed."""
