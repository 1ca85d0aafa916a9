"""The stack's template as CloudFormation would render it, and recorded events routed through its rules."""
