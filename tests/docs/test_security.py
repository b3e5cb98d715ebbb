"""Every security case has its row, and every row names tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text("utf-8")
CASES = [*range(1, 15), 16, 17, 18, 21, 22, 24]


def functions_of(path: Path) -> set[str]:
    """Return the names of a file's test functions, methods too."""
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("case", CASES)
def test_a_case_has_a_row_whose_tests_exist(case: int) -> None:
    (row,) = re.findall(rf"^\| S{case} \|.*$", PAGE, re.MULTILINE)
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row)
    assert named
    for path, name in named:
        assert name in functions_of(ROOT / path)
