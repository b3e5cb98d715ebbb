"""A key's FIDO device, read once: its configuration, which says which key it is, and getInfo."""

from agent.applications import fido, management
from agent.findings import Findings, GarbageError, Reason
from agent.ports import (
    CardBusyError,
    CardRemovedError,
    FidoDevice,
    FidoDevices,
    NotPermittedError,
    ReaderFailedError,
)
from agent.whitelist import CTAP_GET_INFO, CTAPHID_CBOR, CTAPHID_READ_CONFIG, MAX_PAGES


def read_device(devices: FidoDevices, path: str) -> Findings:
    """Read one FIDO device. Whatever goes wrong is a reason in what was found."""
    findings = Findings()
    try:
        device = devices.open(path)
    except (NotPermittedError, CardBusyError, CardRemovedError, ReaderFailedError) as error:
        findings.miss("fido", _why(error))
        return findings
    try:
        _read(device, findings)
    except (CardBusyError, CardRemovedError, ReaderFailedError) as error:
        findings.miss("fido", _why(error))
    except GarbageError:
        findings.miss("fido", Reason.GARBAGE)
    finally:
        device.close()
    return findings


def _read(device: FidoDevice, findings: Findings) -> None:
    try:
        pages: list[bytes] = []
        for page in range(MAX_PAGES):
            pages.append(device.call(CTAPHID_READ_CONFIG, bytes([page])))
            if not management.has_more(pages[-1]):
                break
        management.read_pages(pages, findings)
    except ReaderFailedError:
        pass  # firmware before 4.1 does not know the question
    except GarbageError:
        findings.miss("device", Reason.GARBAGE)
    if not fido.read_info(device.call(CTAPHID_CBOR, CTAP_GET_INFO), findings):
        return
    for message in fido.questions_after(findings):
        fido.read_tries(device.call(CTAPHID_CBOR, message), message, findings)


def _why(error: Exception) -> Reason:
    if isinstance(error, NotPermittedError):
        return Reason.NOT_PERMITTED
    if isinstance(error, CardBusyError):
        return Reason.IN_USE
    return Reason.REMOVED if isinstance(error, CardRemovedError) else Reason.FAILED
