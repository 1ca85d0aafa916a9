"""What the enroll, session and doctor commands do for a user to whom the enforcement policy applies."""
