"""The prober's page is complete: every setting with its default, and every metric."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from server.programs.probe_config import ProbeConfig

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/probing.md").read_text("utf-8")


def settings(model: type[BaseModel] = ProbeConfig, table: str = "") -> Iterator[str]:
    """Yield the row of the page for each setting."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from settings(kind, f"{table}{name}.")
            continue
        default = "none" if field.default is None else f"`{json.dumps(field.default, default=str)}`"
        if field.default is PydanticUndefined:
            default = "needed"
        yield f"| `{table}{name}` | {default} | {field.description} |"


@pytest.mark.parametrize("row", list(settings()), ids=lambda row: row.split("`")[1])
def test_every_setting_is_on_the_page_with_its_default(row: str) -> None:
    assert row in PAGE.splitlines()


def test_every_metric_is_described() -> None:
    shown = (ROOT / "server/metrics/probes.py").read_text("utf-8")
    metrics = set(re.findall(r'"(keystead_[a-z_]+)"', shown))
    assert metrics == set(re.findall(r"`(keystead_[a-z_]+)", PAGE))
