"""What systems are told about the agent: unit files, and who may open what."""
