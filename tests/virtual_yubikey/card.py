"""The card: selects applications, joins chained commands, cuts long responses, writes the log.

card.transceive(bytes.fromhex("00A4040008A000000527471117"))
"""

from collections.abc import Callable, Sequence

from tests.virtual_yubikey.apdu import (
    CHAINED,
    SECURED,
    BadApdu,
    Command,
    Refused,
    Response,
    Status,
)
from tests.virtual_yubikey.applet import Applet
from tests.virtual_yubikey.identity import Capability, Transport
from tests.virtual_yubikey.scp11 import Channels
from tests.virtual_yubikey.tlv import BadTlv
from tests.virtual_yubikey.traffic import Exchange, Traffic

_SELECT = 0xA4
_BY_NAME = 0x0400
_SHORTEST_AID = 5
_COUNTED_MOST = 0xFF
_CHAIN_MOST = 4096  # bytes of one chained command that a key takes


class Card:
    """One card in one reader at a time.

    enabled: the applications that answer on a transport, asked anew with every selection.
    channels: where a secure channel begins, and ends with the selection.
    """

    def __init__(
        self,
        applets: Sequence[Applet],
        enabled: Callable[[Transport], Capability],
        channels: Channels,
    ) -> None:
        self.traffic = Traffic()
        self._applets = applets
        self._enabled = enabled
        self._channels = channels
        self._transport = Transport.USB
        self._selected: Applet | None = None
        self._chain = b""
        self._rest = b""

    def power(self, transport: Transport) -> None:
        """Begin as a card does that got power or was reset: nothing selected, nobody verified."""
        self._transport = transport
        self._leave()

    def transceive(self, raw: bytes) -> bytes:
        """Answer one command; writes both down."""
        applet = self._selected.name if self._selected else ""
        answered = self._answer(raw).encode()
        self.traffic.note(Exchange(raw, answered, applet))
        return answered

    def _answer(self, raw: bytes) -> Response:
        try:
            command = Command.parse(raw)
        except BadApdu:
            return Response(status=Status.WRONG_LENGTH)
        if self._continues(command):
            return self._cut(self._rest, command.most, Status.OK)
        self._rest = b""
        try:
            whole = self._joined(command)
            if whole is None:
                return Response()
            response = self._carried_out(whole)
        except Refused as refused:
            return Response(status=refused.status)
        except BadTlv:
            return Response(status=Status.WRONG_DATA)
        return self._cut(response.data, command.most, response.status)

    def _continues(self, command: Command) -> bool:
        instruction = self._selected.continues if self._selected else 0xC0
        return bool(self._rest) and command.ins == instruction

    def _joined(self, command: Command) -> Command | None:
        """Return the whole command, or None while more of it is to come."""
        data, self._chain = self._chain + command.data, b""
        if len(data) > _CHAIN_MOST:
            raise Refused(Status.NO_SPACE)
        if command.cla & CHAINED:
            self._chain = data
            return None
        return command.with_data(data)

    def _cut(self, data: bytes, most: int, status: int) -> Response:
        piece, self._rest = data[:most], data[most:]
        if not self._rest:
            return Response(piece, status)
        return Response(piece, Status.MORE | min(len(self._rest), _COUNTED_MOST))

    def _carried_out(self, command: Command) -> Response:
        if command.cla == 0 and command.ins == _SELECT and command.parameters == _BY_NAME:
            return self._select(command.data)
        if self._selected is None:
            raise Refused(Status.NO_INSTRUCTION)
        if self._channels.begins(command):
            return self._channels.begin(command)
        if not command.cla & SECURED:
            return self._selected.answer(command)
        return self._secured(self._selected, command)

    def _secured(self, applet: Applet, command: Command) -> Response:
        opened = self._channels.opened(command)
        try:
            response = applet.answer(opened)
        except Refused as refused:
            response = Response(status=refused.status)
        except BadTlv:
            response = Response(status=Status.WRONG_DATA)
        return self._channels.closed(response)

    def _select(self, name: bytes) -> Response:
        found = next((applet for applet in self._applets if self._answers_to(applet, name)), None)
        if found is None:
            raise Refused(Status.NOT_FOUND)
        response = found.select()
        self._leave()
        self._selected = found
        return response

    def _answers_to(self, applet: Applet, name: bytes) -> bool:
        if len(name) < _SHORTEST_AID or not applet.aid.startswith(name):
            return False
        if applet.only not in (None, self._transport):
            return False
        return applet.capability is None or bool(applet.capability & self._enabled(self._transport))

    def _leave(self) -> None:
        """End what belongs to one selection: the verified PIN, the channel, what is half sent."""
        if self._selected:
            self._selected.leave()
        self._selected = None
        self._chain = self._rest = b""
        self._channels.end()
