"""The forms in which the device keeps keys, and the keys made of them."""
