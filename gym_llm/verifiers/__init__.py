"""Reusable graders: frozen dataclasses that turn a task and an episode into a Verification."""
