"""Making credentials: OTP keys minted, released once and re-wrapped; certificates; key states."""
