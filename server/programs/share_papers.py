"""Shares as people meet them: shown one by one on a terminal, typed in again, or in files.

A share goes to nobody but who stands before the terminal: never to a pipe, an argument or the
environment. What is typed is checked group by group, so that a slip is told where it happened.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from hsm import privatefile
from hsm.ceremony.share_text import MistypedError, checked
from hsm.ceremony.shares import GROUPS, Kind, Share, SharesError, combine
from hsm.privatefile import PrivateFileError
from server.programs.exits import CommandError
from server.programs.terminal import complain, say

_MAGIC = "keystead-share-v1"
_FILE_OCTETS = 1024
_ON_A_LINE = 6
_CLEAR = "\x1b[2J\x1b[3J\x1b[H"


def sheet(share: Share) -> str:
    """Return a share's text, for a file or a piece of paper; `read_sheet` reads it."""
    groups = share.groups()
    lines = [" ".join(groups[at : at + _ON_A_LINE]) for at in range(0, len(groups), _ON_A_LINE)]
    title = f"{share.name}; any {share.threshold} give {share.kind}"
    return "\n".join([_MAGIC, title, *lines, ""])


def read_sheet(text: str) -> Share:
    """Read such a text; MistypedError, ValueError when it is none."""
    lines = text.splitlines()
    if lines[:1] != [_MAGIC]:
        raise ValueError(f"its first line is not {_MAGIC!r}")
    return Share.parse(" ".join(lines[2:]).split())


def write_sheets(folder: Path, shares: Sequence[Share]) -> list[Path]:
    """Write a file for each share, mode 0600, in a folder that exists; PrivateFileError."""
    made = []
    for share in shares:
        path = folder / f"share-{share.set_id.hex()}-{share.number}.txt"
        privatefile.create(path, sheet(share).encode("ascii"), unless_lost="it is a share")
        made.append(path)
    return made


def read_sheets(files: Sequence[Path]) -> list[Share]:
    """Read files of shares that nobody else can read; PrivateFileError."""
    return [_read(file) for file in files]


def _read(file: Path) -> Share:
    content = privatefile.read(
        file,
        _FILE_OCTETS,
        when_absent="Name the file of a share.",
        when_open="take the share for known to others",
    )
    try:
        return read_sheet(content.decode("ascii", "replace"))
    except ValueError as error:
        raise PrivateFileError(f"{file} holds no share: {error}") from None


def require_place(folder: Path | None) -> None:
    """Refuse before anything is done when shares could not be given out; CommandError."""
    if folder is not None and not folder.is_dir():
        raise CommandError(f"{folder} is no folder: make it first, for its owner alone")
    if folder is None and not (sys.stdout.isatty() and sys.stdin.isatty()):
        raise CommandError(
            "shares are shown on a terminal only. Run this on one, or have them written into files"
            " with --shares-to"
        )


def show(shares: Sequence[Share]) -> None:
    """Show one share after the other on the terminal, each to its keeper alone; CommandError."""
    require_place(None)
    for share in shares:
        for line in sheet(share).splitlines():
            say(line)
        say("Copy it, compare it, keep it apart from the others. Then press Enter: it vanishes.")
        sys.stdin.readline()
        sys.stdout.write(_CLEAR)
        sys.stdout.flush()


def gathered(files: Sequence[Path], kind: Kind) -> bytes:
    """Return the secret of the shares in files, or of those that people type; CommandError."""
    if files:
        shares = read_sheets(files)
    elif sys.stdin.isatty():
        shares = ask(sys.stdin)
    else:
        raise CommandError("shares are typed on a terminal, or named with --share-file")
    odd = next((share for share in shares if share.kind is not kind), None)
    if odd is not None:
        raise CommandError(f"{odd.name} is of {odd.kind}, and {kind} is wanted")
    return combine(shares)


def ask(stream: IO[str]) -> list[Share]:
    """Let people type shares until there are enough; SharesError when the input ends before."""
    shares: list[Share] = []
    while not shares or len(shares) < shares[0].threshold:
        complain(f"Share number {len(shares) + 1}: type its {GROUPS} groups, line by line.")
        share = _typed(stream)
        if any(share.number == one.number and share.set_id == one.set_id for one in shares):
            complain(f"{share.name} was typed already; another one is wanted.")
            continue
        shares.append(share)
        complain(f"That is {share.name}; {share.threshold} are needed.")
    return shares


def _typed(stream: IO[str]) -> Share:
    """Read one share. What is wrong is told at once, and typed again from there."""
    groups: list[str] = []
    while True:
        line = stream.readline()
        if not line:
            raise SharesError("the input ended before there were enough shares")
        try:
            for group in line.replace("-", " ").split():
                groups.append(checked(len(groups) + 1, group))
            if len(groups) >= GROUPS:
                return Share.parse(groups)
        except MistypedError as error:
            groups = groups[: error.number - 1] if len(groups) < GROUPS else []
            complain(f"{error}. Type on from group {len(groups) + 1}.")
