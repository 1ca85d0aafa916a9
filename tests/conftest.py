"""How Hypothesis works here: the same examples in every CI run, new ones at every desk."""

import os

from hypothesis import settings

# Deadlines measure the machine. CI repeats itself, so that a red run is about the change and not about the dice.
settings.register_profile("desk", deadline=None, print_blob=True)
settings.register_profile("ci", parent=settings.get_profile("desk"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")
