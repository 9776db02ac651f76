"""Environments of the domain example."""
