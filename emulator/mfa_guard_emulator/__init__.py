"""The stack on a laptop: its rules and its functions on an AWS that lives in this process."""
