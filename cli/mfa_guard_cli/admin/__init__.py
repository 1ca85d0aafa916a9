"""What the administrator's commands do with the guard and its users."""
