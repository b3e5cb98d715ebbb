"""The link between a worker and the control process: one socket pair, calls and signals.

With the embedded store only the control process may touch the database, so workers send it
their batches and reads. With any store the link is how each side knows that the other lives:
its end of file means that the other process is gone.

`frames` cuts octets into messages, `messages` gives them meaning, `connection` matches answers
to calls, `remote` is the worker's side as a store, `desk` the control process's side.
"""
