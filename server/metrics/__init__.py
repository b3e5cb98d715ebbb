"""What the service counts: a tally per process in shared memory, and its exposition.

`layout` says what is counted, `tally` counts, `exposition` shows the sum of all processes to
Prometheus. Nothing here holds an OTP, a client's name or an address: numbers only.
"""
