"""The folder of a run's reports: what an earlier run left there does not stay to mislead."""

from pathlib import Path

from loadtest.summary import NAME

LEDGER = "ledger"
SNAPSHOTS = "store.jsonl"


def empty(folder: Path) -> Path:
    """Make `folder` ready for a run and return the folder of its ledger; touches only our files."""
    ledger = folder / LEDGER
    ledger.mkdir(parents=True, exist_ok=True)
    ours = [folder / NAME, folder / "report.html", ledger / SNAPSHOTS]
    for path in [*ours, *folder.glob("load_*.csv"), *ledger.glob("*.ledger")]:
        path.unlink(missing_ok=True)
    return ledger
