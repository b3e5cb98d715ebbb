"""The ledger: what availability and incidents are proved with, as a chain of hashes.

Below the rooms, beside the journal and of the same make: what changes something that counts hands
over a `NewEntry`, and storage appends it in the change's own transaction. The chain holds digests
of payloads; a payload that privacy rules take away is kept beside it and can be erased.
"""
