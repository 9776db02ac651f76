"""Runs in the forms that other tools read: data sets for training, logs for viewers, trackers.

Every export reads a run line by line; of all rollouts at once it keeps at most a few numbers each.
"""
