"""The device's log, carried away and judged: chain, roles, a signed archive, the pump.

`entry` is the device's form, `chain` what continues what, `rules` who may do what; `record` and
`archive` are what is kept, `verify` reads it back without any device; `pump` takes the log away.
"""
