"""Commands for whoever runs the guard: what it sees, and what an administrator decides about users and about it."""
