"""Load on a validation service, by a stranger at its door: HTTP only, nothing of the server.

`users` is the first Locust user (behaviour), `bench` measures ceilings with wrk, `keyfile` holds
the virtual YubiKeys that users press and the clients they log in at, `judgement` says which
answers are wrong, and `allowlist` which hosts may be loaded at all.
"""
