"""All ways out, for one notice board."""

from collections.abc import Mapping

from server.clock import Clock
from server.notices.board import Board
from server.notices.sending import Sender, Way
from server.outgoing.mail import MailSender
from server.outgoing.webhook import WebhookSender


def senders_for(board: Board, clock: Clock) -> Mapping[Way, Sender]:
    """Return what sends, by the way it goes."""
    return {
        Way.EMAIL: MailSender(board.mail, clock=clock),
        Way.WEBHOOK: WebhookSender(board, clock=clock),
    }
