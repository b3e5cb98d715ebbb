"""Load on a validation service, by a stranger at its door: HTTP only, nothing of the server.

`python -m loadtest` is the way in (`options` has its options). Locust runs `locustfile`, whose
users are `people`; `guest` asks and `judgement` grades each answer; `ledger` keeps them, and
`proof` plays them back. `keyfile` and `clients` are what users press and where they log in,
`allowlist` which hosts may be loaded at all, `pacer` what keeps clients below their limit.
`own_server` is a fresh Keystead for `make load`, `bench` measures ceilings with wrk.
"""
