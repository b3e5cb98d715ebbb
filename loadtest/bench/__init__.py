"""The bench: what one worker answers, as a share of what its web server could answer at most.

`python -m loadtest.bench` measures in one run, because runs on one machine differ by a
quarter: R, a bare aiohttp + uvloop handler; Keystead on SQLite; Keystead on PostgreSQL.
The load comes from Debian's wrk, every OTP is fresh and signed, every answer is counted.
"""
