"""The demo: scenarios, their steps, and what each step must lead to."""
