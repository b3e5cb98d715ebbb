"""The page on the HSM says of key states what the code does."""

import re
from pathlib import Path

from hsm.provisioning.key_states import TRANSITIONS, KeyState

PAGE = (Path(__file__).parents[2] / "docs/hsm.md").read_text("utf-8")


def test_the_table_of_key_states_is_the_codes() -> None:
    table = PAGE.split("| state | may become |", 1)[1].split("\n\n", 1)[0]
    written = {
        KeyState(state): {KeyState(one) for one in to.split(", ") if one != "nothing"}
        for state, to in re.findall(r"^\| ([a-z-]+) \| ([a-z, -]+) \|$", table, re.MULTILINE)
    }
    drawn: dict[KeyState, set[KeyState]] = {state: set() for state in KeyState}
    for (state, _), to in TRANSITIONS.items():
        drawn[state].add(to)
    assert written == drawn
