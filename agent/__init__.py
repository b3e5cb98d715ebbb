"""The endpoint agent: firmware and health of every YubiKey that is plugged into a host.

It imports none of the other packages; of it the server may import `agent.report` alone.
"""
