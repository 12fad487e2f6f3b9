"""What an operator sees: metrics, the access log, and signals of model quality. Label values are closed sets."""
