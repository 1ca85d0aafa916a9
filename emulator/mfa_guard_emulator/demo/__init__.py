"""The demo: scenarios of steps, what each step must lead to, and reports of what happened."""
