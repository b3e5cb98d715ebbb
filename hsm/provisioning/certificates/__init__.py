"""X.509 certificates signed by a key in the HSM: what they may say is data, in profiles."""
