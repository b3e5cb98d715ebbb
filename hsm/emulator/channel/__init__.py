"""Secure channels: SCP03 with symmetric keys, its EC relative, and the table of sessions."""
