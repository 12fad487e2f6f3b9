"""Offline: data, recipes, the training loop, evaluation and publication. Imports `models`, never `service`."""
