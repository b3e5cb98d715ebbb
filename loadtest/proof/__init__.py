"""What a ledger proves: each property is an observer of the run as it is played back.

`once` is P1, `counters` P2, `refusals` P3, `consumption` P4, `records` P5, `limits` the combined
rate of a Client ID, and `service` that valid OTPs were accepted. `playback` joins them.
"""
