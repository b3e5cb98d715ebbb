"""Backups: one encrypted file that holds a store, and what proves that all of it is there."""
