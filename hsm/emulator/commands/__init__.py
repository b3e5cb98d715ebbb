"""The commands: one function each, from the payload to the reply's payload."""
