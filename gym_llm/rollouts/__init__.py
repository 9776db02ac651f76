"""Collecting episodes: rollouts, their records, metrics over them, and the run folder."""
