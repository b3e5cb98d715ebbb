"""What `keystead doctor` finds at the notice board: whether somebody is called, and heard of it."""

from collections.abc import Iterator
from pathlib import Path

from server.config import Config
from server.notices.board import Board, BoardError, load_board
from server.programs.doctor import Finding

_CHECK = "notice board"


def check_notices(config: Config) -> Iterator[Finding]:
    """Whether the board's file can be read, and who is on it. Nothing where none is configured."""
    if config.notices.file is None:
        return
    try:
        board = load_board(Path(config.notices.file))
    except BoardError as error:
        advice = (
            "Mend it: while it is spoilt a service goes on with what it read before, and one that"
            " starts calls nobody. keystead notice check FILE reads a new one before it counts"
        )
        yield Finding(_CHECK, "fail", str(error), advice)
        return
    yield _judged(board)


def _judged(board: Board) -> Finding:
    told = f"{len(board.people)} people, {len(board.subscribers)} subscribers"
    if board.rota is None:
        advice = "Put a rota into the file, or make sure that another program calls somebody"
        return Finding(_CHECK, "warn", f"{told}; nobody is on call for incidents", advice)
    if board.link is None:
        advice = "Set link: who is called can then acknowledge from the message"
        return Finding(_CHECK, "warn", f"{told}; calls have no link to acknowledge by", advice)
    return Finding(_CHECK, "ok", told)
