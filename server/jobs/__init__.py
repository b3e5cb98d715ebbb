"""Jobs: what is to be done now and then, once among all machines that share a store."""
