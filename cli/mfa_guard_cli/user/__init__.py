"""What the commands enroll, session and doctor do for users who have to use MFA."""
