"""The Keystead service: rooms, storage, doors and the programs that start them.

Read `server/main.py` first: it wires the house. `docs/architecture.md` has the picture.
"""
