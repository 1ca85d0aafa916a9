"""The composition root: the only place that knows both Powertools and the use cases.

A module for each function, which makes that function's world and imports nothing that the function does not use.
"""
