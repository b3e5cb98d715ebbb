"""What was kept of the promise: minutes as they were counted, rolled up exactly, and their figures.

`segment` is a client's day or month without loss, `rollup` makes it, `figures` computes with it:
all pure. `keeper` rolls up and packs, `desk` answers. `ports` is what the room needs of a store.
"""
