"""Environments of the domain safety."""
