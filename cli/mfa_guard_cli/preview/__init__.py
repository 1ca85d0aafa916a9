"""`mfa-guard preview`: what enforcing MFA would do to the users of an account, before anything is deployed."""
