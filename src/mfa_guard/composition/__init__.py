"""The composition root: one module for each function.

It builds the dependencies of that function, and imports nothing that the function does not use.
"""
