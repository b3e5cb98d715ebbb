"""The prober: validates an OTP of its own every half minute, as a stranger would, and tells.

`hosts` says whom it may ask, `judge` what an answer proves, `rounds` does one round, `clockwatch`
and `gaps` say when nothing is known, `standing` when the service counts as failing. `vigil` is what
it does while the server is away. `handin` brings everything to the server, whose side is `desk`.
`ports` is what all that needs of a network, a spool and a store.
"""
