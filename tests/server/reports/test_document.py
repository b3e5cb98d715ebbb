"""What people write becomes paragraphs and lists."""

from server.reports.document import Bullets, Paragraph, prose


def test_empty_lines_part_paragraphs_and_line_breaks_within_mean_nothing() -> None:
    assert prose("one\ntwo\n\n\nthree\n") == [Paragraph("one two"), Paragraph("three")]


def test_lines_with_a_dash_are_a_list_also_right_after_a_paragraph() -> None:
    text = "We did:\n- this\n* that\nand more"
    assert prose(text) == [Paragraph("We did:"), Bullets(("this", "that")), Paragraph("and more")]


def test_nothing_written_is_nothing() -> None:
    assert prose(" \n\n ") == []
