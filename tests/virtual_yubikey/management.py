"""Management: what the key is and what is switched on; read freely, written with the lock code."""

from collections.abc import Iterator
from dataclasses import replace

from tests.virtual_yubikey.apdu import Command, Refused, Response, Status
from tests.virtual_yubikey.identity import Capability, Identity, Transport
from tests.virtual_yubikey.tlv import fields, number, tlv

_READ_CONFIG = 0x1D
_WRITE_CONFIG = 0x1C

_USB_SUPPORTED = 0x01
_SERIAL = 0x02
_USB_ENABLED = 0x03
_FORM_FACTOR = 0x04
_VERSION = 0x05
_AUTO_EJECT = 0x06
_RESPONSE_TIMEOUT = 0x07
_FLAGS = 0x08
_LOCKED = 0x0A
_UNLOCK = 0x0B
_NFC_SUPPORTED = 0x0D
_NFC_ENABLED = 0x0E
_MORE = 0x10
_PART_NUMBER = 0x13
_FIPS_CAPABLE = 0x14
_FIPS_APPROVED = 0x15
_PIN_COMPLEXITY = 0x16
_NFC_RESTRICTED = 0x17
_RESET_BLOCKED = 0x18
_FPS_VERSION = 0x20
_STM_VERSION = 0x21

_IS_FIPS = 0x80
_IS_SECURITY_KEY = 0x40


class Management:
    """The application of that name; it keeps what the key is, also for the others."""

    name = "management"
    aid = bytes.fromhex("A000000527471117")
    capability: Capability | None = None
    continues = 0xC0
    only: Transport | None = None

    def __init__(self, identity: Identity) -> None:
        self.identity = identity

    def select(self) -> Response:
        """Answer with the firmware, in words."""
        return Response(f"Virtual mgr - FW version {self.identity.firmware}".encode("ascii"))

    def answer(self, command: Command) -> Response:
        """Read or write the configuration."""
        if command.ins == _READ_CONFIG:
            return Response(self.page(command.p1))
        if command.ins == _WRITE_CONFIG:
            self.write(command.data)
            return Response()
        raise Refused(Status.NO_INSTRUCTION)

    def leave(self) -> None:
        """Nobody is verified here."""

    def page(self, index: int) -> bytes:
        """Return one page of what READ CONFIG tells, its length first; raises Refused."""
        if self.identity.firmware < (4, 1):
            raise Refused(Status.NO_INSTRUCTION)
        pages = list(_pages(self.identity))
        if index >= len(pages):
            raise Refused(Status.WRONG_DATA)
        more = tlv(_MORE, b"\x01") if index + 1 < len(pages) else b""
        page = b"".join(tlv(tag, value) for tag, value in pages[index].items()) + more
        return number(len(page), 1) + page

    def write(self, data: bytes) -> None:
        """Switch applications on and off; raises Refused without the lock code, and BadTlv."""
        identity = self.identity
        if identity.firmware < (5, 0):
            raise Refused(Status.NO_INSTRUCTION)
        if not data or data[0] != len(data) - 1:
            raise Refused(Status.WRONG_LENGTH)
        asked = fields(data[1:])
        if identity.lock_code is not None and asked.get(_UNLOCK) != identity.lock_code:
            raise Refused(Status.SECURITY)
        if _USB_ENABLED in asked:
            wanted = Capability(int.from_bytes(asked[_USB_ENABLED], "big"))
            identity = replace(identity, usb_enabled=wanted & identity.usb_supported)
        if _NFC_ENABLED in asked and identity.nfc_supported is not None:
            wanted = Capability(int.from_bytes(asked[_NFC_ENABLED], "big"))
            identity = replace(identity, nfc_enabled=wanted & identity.nfc_supported)
        if _FLAGS in asked:
            identity = replace(identity, device_flags=int.from_bytes(asked[_FLAGS], "big"))
        if _LOCKED in asked:
            code = asked[_LOCKED]
            identity = replace(identity, lock_code=code if any(code) else None)
        self.identity = identity


def _pages(identity: Identity) -> Iterator[dict[int, bytes]]:
    """Return the pages: firmware 4 has a short one, 5 a longer one, 5.7 a second."""
    if identity.firmware < (5, 0):
        yield _page_of_four(identity)
        return
    yield _first_page(identity)
    if identity.firmware >= (5, 7):
        yield _second_page(identity)


def _page_of_four(identity: Identity) -> dict[int, bytes]:
    page = {_USB_SUPPORTED: number(identity.usb_supported, 1)}
    if identity.serial is not None:
        page[_SERIAL] = number(identity.serial, 4)
    # Firmware 4 sends this too, and means nothing by it: who believes it is wrong.
    page[_USB_ENABLED] = number(identity.usb_supported, 1)
    return page


def _first_page(identity: Identity) -> dict[int, bytes]:
    shape = identity.form_factor | _IS_FIPS * identity.fips
    shape |= _IS_SECURITY_KEY * identity.security_key
    page = {_USB_SUPPORTED: number(identity.usb_supported, 2)}
    if identity.serial is not None:
        page[_SERIAL] = number(identity.serial, 4)
    page |= {
        _USB_ENABLED: number(identity.usb_enabled, 2),
        _FORM_FACTOR: number(shape, 1),
        _VERSION: bytes(identity.firmware),
        _AUTO_EJECT: number(identity.auto_eject_s, 2),
        _RESPONSE_TIMEOUT: number(identity.response_timeout_s, 1),
        _FLAGS: number(identity.device_flags, 1),
    }
    if identity.nfc_supported is not None:
        page[_NFC_SUPPORTED] = number(identity.nfc_supported, 2)
        page[_NFC_ENABLED] = number(identity.nfc_enabled or 0, 2)
    page[_LOCKED] = number(identity.lock_code is not None, 1)
    return page


def _second_page(identity: Identity) -> dict[int, bytes]:
    page = {
        _PART_NUMBER: identity.part_number.encode("utf-8"),
        _FIPS_CAPABLE: number(identity.fips_capable, 2),
        _FIPS_APPROVED: number(identity.fips_approved, 2),
        _PIN_COMPLEXITY: number(identity.pin_complexity, 1),
        _NFC_RESTRICTED: number(identity.nfc_restricted, 1),
        _RESET_BLOCKED: number(identity.reset_blocked, 2),
    }
    if identity.fps_version is not None:
        page[_FPS_VERSION] = bytes(identity.fps_version)
    if identity.stm_version is not None:
        page[_STM_VERSION] = bytes(identity.stm_version)
    return page
