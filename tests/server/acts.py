"""Who acts in tests that are not about the journal."""

from server.journal.acts import Actor, Cause

CAUSE = Cause(Actor("system", "test"), "a test")
ACT = CAUSE.act("test.act")
