"""How far a rotation is: written by who works at it, read by who shows it, in one process."""


class Progress:
    """left: records to do, 0 without a rotation; refused: that do not open; trouble: why it waits.

    trouble is in words for the operator, "" while it goes on.
    """

    def __init__(self) -> None:
        self.left = 0
        self.refused = 0
        self.trouble = ""

    def clear(self) -> None:
        """Say that no rotation stands any more."""
        self.left = self.refused = 0
        self.trouble = ""
