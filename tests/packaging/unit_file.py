"""A systemd unit, read as far as the tests need it."""

import shlex


class Unit:
    """Settings by name, in order; a name may be given several times."""

    def __init__(self, text: str) -> None:
        self.settings: dict[str, list[str]] = {}
        for line in text.splitlines():
            name, equals, value = line.partition("=")
            if equals and not name.startswith(("#", "[")):
                self.settings.setdefault(name, []).append(value)

    def one(self, name: str) -> str:
        """Return the value of a setting that is there once."""
        (value,) = self.settings[name]
        return value

    @property
    def environment(self) -> list[str]:
        """NAME=VALUE of every variable."""
        return [pair for value in self.settings["Environment"] for pair in shlex.split(value)]

    @property
    def command(self) -> list[str]:
        """The command that is started."""
        return shlex.split(self.one("ExecStart"))
