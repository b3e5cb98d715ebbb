"""The field of 256 elements, as AES has it: without tables and branches on what is secret.

Python's own arithmetic promises nothing of its duration; what is avoided here is what would leak
most: memory that is looked up at a secret's place, and steps that are taken or not.
"""

_REDUCTION = 0x1B
"""x^8 is x^4 + x^3 + x + 1."""


def multiply(one: int, other: int) -> int:
    """Return the product of two elements (0 to 255)."""
    product = 0
    for bit in range(8):
        product ^= one & -(other >> bit & 1)
        one = (one << 1 & 0xFF) ^ (_REDUCTION & -(one >> 7))
    return product


def inverse(one: int) -> int:
    """Return what gives 1 when multiplied with an element; 0 for 0."""
    # one ** 254: the group has 255 elements.
    result, power = 1, one
    for _ in range(7):
        power = multiply(power, power)
        result = multiply(result, power)
    return result


def scale(factor: int, octets: bytes) -> bytes:
    """Multiply each octet."""
    return bytes(multiply(factor, one) for one in octets)


def add(one: bytes, other: bytes) -> bytes:
    """Add octets of the same length each to each; taking away is the same."""
    return bytes(left ^ right for left, right in zip(one, other, strict=True))
