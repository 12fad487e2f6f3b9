"""Runs models. Knows arrays and deadlines; knows neither HTTP nor JSON."""
