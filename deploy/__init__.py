"""How the service is brought to machines."""
