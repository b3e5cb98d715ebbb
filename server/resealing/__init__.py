"""Re-sealing: bringing every record under other keys while all of them are in use."""
