"""Load on a validation service, by a stranger at its door: HTTP only, nothing of the server.

`users` is the first Locust user (behaviour and mixes), `bench` measures ceilings with wrk,
`keyring` holds the virtual YubiKeys and clients they press with, `judgement` says which
answers are wrong, and `allowlist` which hosts may be loaded at all.
"""
