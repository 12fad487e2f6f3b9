"""Axon beside its peers, in one run on one machine. Knows the service only from outside: its process, its doors."""
