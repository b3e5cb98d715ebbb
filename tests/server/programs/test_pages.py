"""Lists that are longer than a page come whole."""

from pathlib import Path

from tests.keystead_process import KeysteadProcess
from validation import modhex


def test_a_list_of_several_pages_has_every_key_once_and_in_order(tmp_path: Path) -> None:
    names = [modhex.encode(number.to_bytes(6, "big")) for number in range(1_100)]
    lines = [f"7,{name},a1b2c3d4e5f6,{number:032x},,,\n" for number, name in enumerate(names)]
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        keystead.cli("key", "import", "-", "--format", "ksm", stdin="".join(lines))
        listed = [key["public_id"] for key in keystead.cli("key", "list")["keys"]]
        for name in ("client", "customer", "operator"):
            assert keystead.cli(name, "list") == {f"{name}s": []}
    assert listed == sorted(names)
