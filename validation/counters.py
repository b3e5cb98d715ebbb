"""What a key's counters say: whether an OTP is fresh, and whether it was held back."""

_TICK_US = 125_000
_CLOCK_MASK = (1 << 24) - 1
_WRAP_US = (_CLOCK_MASK + 1) * _TICK_US
_ABSOLUTE_US = 20_000_000


def is_fresh(stored: tuple[int, int], offered: tuple[int, int]) -> bool:
    """Tell whether (session, use) of an OTP is above the stored pair, compared as a pair.

    The key's clock wraps every 24 days and never decides this.
    """
    return offered > stored


def is_delayed(  # noqa: PLR0917 - two rows of three, in the order of the columns
    stored_session: int,
    stored_clock: int,
    stored_at_us: int,
    session: int,
    clock: int,
    now_us: int,
) -> bool:
    """Tell whether an OTP seems to have been made long before it was sent (phishing test).

    The reference server's test: within one session the time the key counted since the stored
    OTP (8 Hz, 24 bits) is held against the server's. It is delayed when the two differ by
    more than 20 s and by more than 30 % of the server's. Another session starts the key's
    clock anywhere, and a server clock that went back proves nothing: not delayed. The key's
    clock wraps every 24 days, so the two are compared around that circle (the reference
    refuses a key that stays plugged in longer). Integers only, so that SQL decides the same.
    """
    elapsed_us = now_us - stored_at_us
    if session != stored_session or elapsed_us < 0:
        return False
    counted_us = ((clock - stored_clock) & _CLOCK_MASK) * _TICK_US
    ahead_us = (elapsed_us - counted_us) % _WRAP_US
    deviation_us = min(ahead_us, _WRAP_US - ahead_us)
    return deviation_us > _ABSOLUTE_US and deviation_us * 10 > elapsed_us * 3
