"""The store's contract, once more: through a link it promises what it promises at home."""

# The tests themselves; the fixture `keeper` beside this file puts a link before the store.
from tests.server.storage.test_budgets import *  # noqa: F403
from tests.server.storage.test_counters import *  # noqa: F403
from tests.server.storage.test_directory import *  # noqa: F403
from tests.server.storage.test_maintenance import *  # noqa: F403
from tests.server.storage.test_usage import *  # noqa: F403
