"""The stack's template, rendered, and its rules, matched against recorded events."""
