"""SQL that says the same to both engines, executed for many rows: what one transaction writes.

Statements take `:name` from each row. The embedded store executes all steps of a transaction in
one go on its own thread, where nothing of Python's is waited for between them; PostgreSQL gets
each as one message.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, ColumnElement, Text, TextClause, any_, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection


class Step(NamedTuple):
    """A statement, and the rows that it is executed for."""

    statement: str
    rows: Sequence[Mapping[str, object]]


async def execute(connection: AsyncConnection, steps: Sequence[Step]) -> None:
    """Execute steps within the caller's transaction."""
    for step in steps:
        await connection.execute(_text(step.statement), list(step.rows))


def among(
    connection: AsyncConnection, column: ColumnElement[str], values: Sequence[str]
) -> ColumnElement[bool]:
    """Return that a column has one of these values, as one parameter however many they are.

    So there is one statement to be prepared, and not one for each length of the list.
    """
    if connection.dialect.name == "postgresql":
        return column == any_(cast(list(values), ARRAY(Text)))
    listed: Any = func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(select(listed.c.value))


@lru_cache(maxsize=64)
def _text(statement: str) -> TextClause:
    return text(statement)
