"""Reports that are hardly JSON: refused before anything is looked up."""

import pytest

from agent.report import MalformedReportError, encode, parse
from tests.server.fleet.reports import a_key, a_report


def test_what_is_hardly_json_is_no_report() -> None:
    """Nested without end, twice, not a number, of a million digits: refused before the store."""
    good = encode(a_report(a_key()))
    for bad in (
        b"[" * 60_000,
        b'{"format":' * 6_000 + b"1" + b"}" * 6_000,
        good.replace(b'"dropped":0', b'"dropped":NaN'),
        good.replace(b'"dropped":0', b'"dropped":1e999'),
        good.replace(b'"dropped":0', b'"dropped":0,"dropped":0'),
        good.replace(b'"dropped":0', b'"dropped":' + b"9" * 5_000),
        good.replace(b'"sequence":1', b'"sequence":' + str(2**53).encode()),
        good.replace(b'"sequence":1', b'"sequence":true'),
        good.replace(b'"linux"', b'"\\ud800"'),
        good.replace(b'"linux"', b'"\\u0000"'),
    ):
        assert bad != good
        with pytest.raises(MalformedReportError):
            parse(bad)
