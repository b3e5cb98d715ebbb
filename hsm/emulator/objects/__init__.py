"""What the device keeps: objects, their rights, the log and the options."""
