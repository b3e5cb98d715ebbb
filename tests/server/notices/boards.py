"""Notice boards for tests."""

from pathlib import Path

from server.notices.board import Board

TEXT = """\
link = "https://otp.example.org/"
internal_hosts = ["hooks.internal"]

[mail]
host = "smtp.example.org"
sender = "Keystead <keystead@example.org>"
user = "keystead"
password_file = "/etc/keystead/smtp"

[[person]]
name = "anna"
email = "anna@example.org"

[[person]]
name = "bo"
email = "bo@example.org"
webhook = "https://pager.example.net/bo"
secret_file = "/etc/keystead/bo"

[[person]]
name = "cilla"
email = "cilla@example.org"

[rota]
zone = "Europe/Stockholm"
first = 2026-11-02
hand_over = 09:00:00
turns = ["anna", "bo", "cilla"]

[[rota.override]]
person = "bo"
start = 2026-11-04T20:00:00
end = 2026-11-05T06:00:00Z

[hours]
entity = "ab"

[[subscriber]]
name = "ops-room"
webhook = "http://hooks.internal:8080/keystead"
secret_file = "/etc/keystead/ops-room"

[[subscriber]]
name = "planners"
email = "planners@example.org"
wants = ["maintenance"]
"""

BOARD = Board.parse(TEXT, "notices.toml")

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def secret_file(folder: Path, text: str = SECRET) -> Path:
    """Write a webhook's secret as it is kept."""
    file = folder / "hook-secret"
    file.write_text(text)
    file.chmod(0o600)
    return file


class StillBoard:
    """Keeps a notice board that only a test changes."""

    def __init__(self, board: Board = BOARD, complaint: str = "") -> None:
        self._board = board
        self.complaint = complaint

    def board(self) -> Board:
        return self._board

    def put_up(self, board: Board) -> None:
        """Put another board in its place."""
        self._board = board
