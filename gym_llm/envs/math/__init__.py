"""Environments of the domain math."""
