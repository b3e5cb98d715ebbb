"""Facts for tests, in a few words."""

from server.facts import NewFact


def a_fact(number: int) -> NewFact:
    return NewFact("key.first_seen", str(number), {"number": number})
