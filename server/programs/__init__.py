"""Programs: the command line and the processes it starts. Each imports what it needs, late."""
