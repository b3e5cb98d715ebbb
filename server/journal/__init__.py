"""The journal: who changed what and why, as a chain of hashes that can be checked anywhere.

Below the rooms: each of them hands over an `Act` with every change, and storage writes the
entry in the change's own transaction. Everything but the desk is pure: no SQL, no clock, no file.
"""
