"""The text of an e-mail fits everywhere and says all that the document says."""

from hypothesis import given

from server.reports.document import Document
from server.reports.plain import WIDTH, write_plain
from tests.server.reports.papers import PLAIN, documents


def test_a_table_becomes_lines_of_names_and_values() -> None:
    text = write_plain(PLAIN)
    assert "  08:05: What acknowledged\n" in text
    assert "Severity: 1\n" in text


@given(documents)
def test_no_line_is_longer_than_a_mail_may_have(document: Document) -> None:
    text = write_plain(document)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert text.endswith("\n")
