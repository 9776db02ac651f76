"""Environments of the domain instruction following."""
