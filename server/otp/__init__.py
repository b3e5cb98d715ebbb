"""The verification room: one OTP in, one durable decision, one signed answer out.

Read `verify.py` first. `ports.py` is what the room needs of the outside.
"""
