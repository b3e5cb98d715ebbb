"""Storage: keeps what the rooms must not lose, in SQLite or PostgreSQL, behind their ports."""
