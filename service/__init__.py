"""The online side: reads published models and serves them. Imports `models`, never `training`."""

VERSION = "0.1.0"
