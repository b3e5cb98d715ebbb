"""The HSMs' logs, carried away while the service runs: the pump, its job, what it notes."""
