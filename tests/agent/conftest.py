"""A PC/SC daemon for the tests here, with a reader at USB and one for NFC; and what is closed."""

from collections.abc import Iterator

import pytest

from tests.agent.closing import close_all
from tests.pcsc_daemon import NFC_READER, USB_READER, PcscDaemon


@pytest.fixture(scope="module")
def daemon() -> Iterator[PcscDaemon]:
    with PcscDaemon([USB_READER, NFC_READER]) as started:
        yield started


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    close_all()
