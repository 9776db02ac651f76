"""Environments of the domain other."""
