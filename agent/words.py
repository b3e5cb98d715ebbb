"""A report for people: one line for a fact, the reasons for what is missing."""

from collections.abc import Iterator

from agent.report import KeyReport, Report, Value


def tell(report: Report) -> str:
    """Return a report as lines of text."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    if not report.keys:
        yield "No YubiKey is attached."
    for key in report.keys:
        yield _name(key)
        for name, value in sorted(key.facts.items()):
            yield f"  {name:<38} {_value(value)}"
        for name, reason in sorted(key.unreadable.items()):
            yield f"  {name:<38} not readable: {reason}"
    if report.software:
        yield "Software"
        for package, version in sorted(report.software.items()):
            yield f"  {package:<38} {version}"


def _name(key: KeyReport) -> str:
    if key.identity.serial is not None:
        return f"YubiKey {key.identity.serial}"
    if key.identity.serial_hash is not None:
        return f"YubiKey with serial hash {key.identity.serial_hash[:16]}..."
    return f"YubiKey without a serial number ({(key.identity.kind or '')[:16]}...)"


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(value) or "none" if isinstance(value, tuple) else str(value)
