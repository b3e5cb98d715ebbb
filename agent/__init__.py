"""The endpoint agent: firmware and health of every YubiKey that is plugged into a host.

It imports none of the other packages; of it the server may import `agent.report` and
`agent.proof_wire` alone.
"""

__version__ = "0.1.0"
"""As in pyproject.toml; reading it from the installed distribution costs 20 ms at every start."""
