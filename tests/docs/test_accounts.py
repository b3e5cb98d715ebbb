"""The roles' table in the documents is what the code grants, cell by cell."""

import re
from pathlib import Path

from server.accounts.access import GRANTS, Permission, Role

PAGE = (Path(__file__).parents[2] / "docs/accounts.md").read_text("utf-8")


def documented_grants() -> dict[Role, set[Permission]]:
    """Return the table of the page."""
    head = next(line for line in PAGE.splitlines() if line.startswith("| permission |"))
    roles = [Role(cell.strip()) for cell in head.strip("|").split("|")[1:]]
    found: dict[Role, set[Permission]] = {role: set() for role in roles}
    for name, cells in re.findall(r"^\| `([a-z.]+)` (\|[ x|]+)\|$", PAGE, re.MULTILINE):
        marks = [cell.strip() for cell in cells.strip("|").split("|")]
        for role, mark in zip(roles, marks, strict=True):
            if mark == "x":
                found[role].add(Permission(name))
    return found


def test_the_table_of_roles_is_what_is_granted() -> None:
    assert documented_grants() == {role: set(granted) for role, granted in GRANTS.items()}


def test_every_permission_has_its_row() -> None:
    assert re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", PAGE, re.MULTILINE) == list(Permission)
