"""Environments of the domain agent."""
