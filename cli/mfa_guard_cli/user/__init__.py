"""For the user who was just blocked: what enroll, session and doctor do."""
