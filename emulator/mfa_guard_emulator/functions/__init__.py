"""The functions, run as Lambda runs them."""
