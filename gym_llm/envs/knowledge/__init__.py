"""Environments of the domain knowledge."""
