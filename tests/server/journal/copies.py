"""A witness that keeps its copies in memory."""

from server.journal.checkpoint import Checkpoint


class Copies:
    """Keeps `server.journal.ports.Witness`. fails: raised instead of keeping a copy."""

    def __init__(self) -> None:
        self.kept: list[Checkpoint] = []
        self.fails: OSError | None = None

    def keep(self, checkpoint: Checkpoint) -> None:
        if self.fails is not None:
            raise self.fails
        self.kept.append(checkpoint)
