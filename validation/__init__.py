"""The YubiKey OTP protocol as pure code: no clock, no files, no sockets, no logging.

A request's way through the package: `request` parses it (`query` below it), `otp` opens the
one-time password (`modhex` and `crc` below it), `counters` says what is fresh, `gcra` what
is within the limit, `answer` and `signature` write the reply with one of the words of
`status`. `virtual` is the other side: a YubiKey without the hardware.
"""
