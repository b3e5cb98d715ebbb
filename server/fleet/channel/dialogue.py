"""One key, read through channels that end here: what to ask next, and what came of it. No socket.

    1. its certificates, and a handshake with its management
    2. what management says it is, through that channel; and a handshake with PIV
    3. what PIV says of its PINs and slots, through the other channel

A channel belongs to one selection, so there is one for each application. Commands of a round do
not depend on each other's answers: three rounds, in two of which the key is held while we think.

Whatever a host makes of this, it learns nothing and changes nothing: errors have no MAC, so one
that it makes up is as one that the key gave, and proves nothing; every other answer is the key's,
to this question and of now, or is found out.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec

from agent.report import Value
from server.fleet.channel.card import (
    MANAGEMENT,
    PIV,
    SECURITY_DOMAIN,
    CardAnswer,
    GarbageError,
    command,
    plain,
    read_tlvs,
    select,
    tlv,
)
from server.fleet.channel.chain import Chain, Roots, read_chain
from server.fleet.channel.device_info import MAX_PAGES, DeviceInfo, read_pages
from server.fleet.channel.piv_metadata import REFERENCES, read_metadata
from server.fleet.channel.scp11b import KEY_ID, Handshake
from server.fleet.channel.secure_messaging import AlteredError, Secured, SecureMessaging
from server.fleet.trust import Trust

_DOCUMENTED_FROM = (5, 7, 4)
"""Firmware from which retail keys' chains are documented; what earlier ones say is unproven."""

_FACTORY_VERSION = 1
_VERSIONS = range(1, 0x80)
_KEYS, _KEY = 0xE0, 0xC0
_LIST_KEYS = bytes.fromhex("00ca00e0")
_GET_CHAIN = bytes.fromhex("00cabf21")


class Refusal(StrEnum):
    """Why nothing is proven."""

    NO_CHANNEL_KEY = "no-channel-key"  # it has none for SCP11b, or says so
    NO_CHAIN = "no-chain"  # no certificates came with it
    CHAIN_UNKNOWN = "chain-unknown"  # they end in no root that we know
    KEY_REFUSED = "key-refused"  # it did not open a channel, or the host says so
    NO_SERIAL = "no-serial"  # it tells no serial number to compare
    GARBAGE = "garbage"  # answers that no key gives, and nobody can be blamed for
    ANOTHER_KEY = "another-key"  # than the host named
    ALTERED = "altered"  # an answer is not what the key said

    @property
    def is_altered(self) -> bool:
        """Whether the host is to blame: it changed answers, or relayed to another key."""
        return self in {Refusal.ALTERED, Refusal.ANOTHER_KEY}


class Ask(NamedTuple):
    """Commands for the key; as many answers have to come back. last: nothing is asked after."""

    commands: tuple[bytes, ...]
    last: bool = False


class Proven(NamedTuple):
    """What the key says of itself. trust: KEY_CHANNEL, or UNPROVEN."""

    trust: Trust
    facts: Mapping[str, Value]


class Refused(NamedTuple):
    """Nothing is proven, and the dialogue is over."""

    why: Refusal


Step: TypeAlias = Ask | Proven | Refused

_Answers: TypeAlias = Sequence[CardAnswer]


class _RefusedError(Exception):
    def __init__(self, why: Refusal) -> None:
        super().__init__(why)
        self.why = why


class Dialogue:
    """names: tells whether a serial number is that of the key which the host named.

    fresh: makes a private key on P-256, one for each channel.
    """

    def __init__(
        self,
        names: Callable[[int], bool],
        roots: Roots,
        fresh: Callable[[], ec.EllipticCurvePrivateKey],
    ) -> None:
        self._names = names
        self._roots = roots
        self._fresh = fresh
        self._shown: Chain | None = None
        self._script = self._whole()
        self._first = next(self._script)

    def begin(self) -> Ask:
        """Return what to ask first."""
        return self._first

    def take(self, answers: Sequence[CardAnswer]) -> Step:
        """Return what follows. answers: as many as there were commands in the last `Ask`."""
        try:
            return self._script.send(answers)
        except StopIteration as end:
            proven: Proven = end.value
            return proven
        except _RefusedError as refused:
            return self._refused(refused.why)
        except AlteredError:
            return self._refused(Refusal.ALTERED)
        except GarbageError:
            return Refused(Refusal.GARBAGE)

    def _whole(self) -> Generator[Ask, _Answers, Proven]:
        chain, management = yield from self._open()
        pages = [management.secure(bytes([0x00, 0x1D, page, 0x00])) for page in range(MAX_PAGES)]
        handshake = Handshake(self._fresh(), chain.version)
        answers = yield Ask((*_octets(pages), select(PIV), handshake.command))
        *told, selected, agreed = answers
        info = read_pages(_in_a_row(_opened(management, pages, told)))
        trust = self._trust_of(info, chain.chain)
        if not selected.ok or not agreed.ok:
            return Proven(trust, info.facts)
        piv = handshake.agree(agreed.data, chain.chain.key)
        asked = [piv.secure(bytes([0x00, 0xF7, 0x00, one])) for one in REFERENCES]
        answers = yield Ask(_octets(asked), last=True)
        facts = dict(info.facts)
        for reference, data in zip(REFERENCES, _opened(piv, asked, answers), strict=True):
            if data is not None:
                facts.update(read_metadata(reference, data))
        return Proven(trust, facts)

    def _open(self) -> Generator[Ask, _Answers, tuple["_ChannelKey", SecureMessaging]]:
        """Find the key's certificates, and open a channel to its management."""
        asked = _FACTORY_VERSION
        for _ in range(2):
            handshake = Handshake(self._fresh(), asked)
            of_domain = (command(_LIST_KEYS), plain(_GET_CHAIN, _key_name(asked)))
            answers = yield Ask(
                (select(SECURITY_DOMAIN), *of_domain, select(MANAGEMENT), handshake.command)
            )
            _, keys, certificates, _, agreed = answers
            version = _channel_version(keys)
            if version is None:
                break
            if version == asked:
                chain = self._chain(certificates)
                if not agreed.ok:
                    raise _RefusedError(Refusal.KEY_REFUSED)
                return _ChannelKey(chain, version), handshake.agree(agreed.data, chain.key)
            asked = version
        raise _RefusedError(Refusal.NO_CHANNEL_KEY)

    def _chain(self, answer: CardAnswer) -> Chain:
        if not answer.ok or not answer.data:
            raise _RefusedError(Refusal.NO_CHAIN)
        chain = read_chain(answer.data)
        self._shown = chain
        if chain.serial is not None and not self._names(chain.serial):
            raise _RefusedError(Refusal.ANOTHER_KEY)
        return chain

    def _refused(self, why: Refusal) -> Refused:
        """Return why nothing is proven, and blame the host only if the key cannot be at fault.

        Certificates that are nobody's may be left from a key that its owner replaced, or come from
        a device that is no YubiKey and does what it likes: no reason to blame the host that it is
        plugged into. Those of the manufacturer's are, or are made to seem so.
        """
        if not why.is_altered:
            return Refused(why)
        believed = self._shown is not None and self._roots.proves(self._shown.certificates)
        return Refused(why if believed else Refusal.CHAIN_UNKNOWN)

    def _trust_of(self, info: DeviceInfo, chain: Chain) -> Trust:
        if info.serial is None:
            raise _RefusedError(Refusal.NO_SERIAL)
        if not self._names(info.serial):
            raise _RefusedError(Refusal.ANOTHER_KEY)
        if info.firmware < _DOCUMENTED_FROM:
            return Trust.UNPROVEN
        if not self._roots.proves(chain.certificates):
            raise _RefusedError(Refusal.CHAIN_UNKNOWN)
        return Trust.KEY_CHANNEL


class _ChannelKey(NamedTuple):
    """A security domain's key for SCP11b."""

    chain: Chain
    version: int


def _octets(commands: Sequence[Secured]) -> tuple[bytes, ...]:
    return tuple(one.octets for one in commands)


def _opened(
    channel: SecureMessaging, sent: Sequence[Secured], answers: Sequence[CardAnswer]
) -> list[bytes | None]:
    """Return what the key said. None: nothing that proves anything. AlteredError."""
    opened = [channel.open(one, answer) for one, answer in zip(sent, answers, strict=True)]
    return [one.data if one is not None and one.ok else None for one in opened]


def _in_a_row(pages: Sequence[bytes | None]) -> list[bytes]:
    """Return the pages up to the first that is missing. GarbageError: one comes after it.

    The last page says that none follows, and not how many came before: of three, the one between
    could be kept back, and what it would have said would seem to be no.
    """
    told = [one for one in pages if one is not None]
    if told != [*pages[: len(told)]]:
        raise GarbageError("a configuration without a page in the middle")
    return told


def _key_name(version: int) -> bytes:
    return tlv(0xA6, tlv(0x83, bytes([KEY_ID, version])))


def _channel_version(keys: CardAnswer) -> int | None:
    """Return the version of a security domain's key for SCP11b: the factory's if it is there."""
    if not keys.ok:
        return None
    found = read_tlvs(keys.data)
    if len(found) == 1 and found[0][0] == _KEYS:
        found = read_tlvs(found[0][1])
    versions = [
        value[1]
        for tag, value in found
        if tag == _KEY and len(value) > 1 and value[0] == KEY_ID and value[1] in _VERSIONS
    ]
    return min(versions, default=None)
