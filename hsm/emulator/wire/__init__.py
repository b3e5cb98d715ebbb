"""What goes over the wire: frames, fields and the numbers of the protocol."""
