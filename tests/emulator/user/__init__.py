"""The user's commands. This is a package, so that pytest ends the package's account after its last test."""
