"""A PC/SC daemon for the tests here, and clients to ask it with."""

from collections.abc import Iterator

import pytest

from tests.pcsc_daemon import NFC_READER, USB_READER, PcscDaemon


@pytest.fixture(scope="module")
def daemon() -> Iterator[PcscDaemon]:
    with PcscDaemon([USB_READER, NFC_READER]) as started:
        yield started
