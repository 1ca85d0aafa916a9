"""Evaluate IAM policies by IAM's documented logic."""
