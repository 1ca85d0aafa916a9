"""The two keys that the local account has from the start: AWS's own examples, so that nobody takes them for secrets."""

from typing import Final

ADMINISTRATOR_KEY: Final = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
ROOT_KEY: Final = ("AKIAI44QH8DHBEXAMPLE", "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY")
