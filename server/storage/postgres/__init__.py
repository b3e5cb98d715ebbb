"""The production keeper: PostgreSQL, shared by any number of workers and machines."""
