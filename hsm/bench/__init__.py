"""What opening an OTP costs in each mode: `python -m hsm.bench`. A tool for development."""
