"""The endpoint agent's place. It has no code yet: nothing here runs on any machine.

It is kept so that the direction holds from the start: the agent imports none of the other
packages, and of it the server may import `agent.report` alone, once that exists.
"""
