"""compose.yaml: every container is confined, and the password is in a file of mode 0400 alone."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.settings.keeping import Store
from tests.packaging.machine import as_root

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy/compose"
TEXT = (COMPOSE / "compose.yaml").read_text()
FILE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = FILE["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined_and_watched(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert "/tmp" in service["tmpfs"]  # noqa: S108 - of the container
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["pids_limit"] > 0
    # What is not on a volume of a name is gone with the container.
    assert {volume.split(":")[0] for volume in service["volumes"]} <= FILE["volumes"].keys()
    assert set(service["secrets"]) <= FILE["secrets"].keys()


def test_ports_are_open_to_this_machine_only_and_the_database_to_nobody() -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["keystead"]["ports"])
    assert "ports" not in SERVICES["db"]
    assert SERVICES["db"]["networks"] == ["inside"]
    assert FILE["networks"]["inside"]["internal"] is True


def test_the_commands_in_its_head_name_what_is_there() -> None:
    (url,) = re.findall(r"--database '(postgresql://[^']+)'", TEXT)
    assert Store(database=url).database == url
    assert url.endswith("?passfile=/run/secrets/pgpass")
    assert "pgpass" in SERVICES["keystead"]["secrets"]
    assert url.split("@")[1].split("/")[0] in SERVICES
    database = SERVICES["db"]["environment"]["POSTGRES_DB"]
    assert url.split("?")[0].endswith(f"/{database}")
    assert f"//{SERVICES['db']['environment']['POSTGRES_USER']}@" in url


def test_the_health_of_the_service_is_asked_where_it_listens() -> None:
    command = SERVICES["keystead"]["command"]
    port = command[command.index("--ops-listen") + 1].rpartition(":")[2]
    assert f"127.0.0.1:{port}/readyz" in SERVICES["keystead"]["healthcheck"]["test"][-1]


def test_no_password_stands_in_it() -> None:
    for name, service in SERVICES.items():
        variables = service.get("environment", {})
        bare = {key for key in variables if "PASSWORD" in key and not key.endswith("_FILE")}
        assert not bare, f"{name} has a password in a variable"


def test_the_secrets_are_made_once_each_for_its_container_alone(tmp_path: Path) -> None:
    sudo = as_root()
    script = tmp_path / "make-secrets"
    shutil.copy(COMPOSE / "make-secrets", script)

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*sudo, *command], capture_output=True, text=True, check=False)

    made = run(str(script))
    assert made.returncode == 0, made.stderr
    secrets = tmp_path / "secrets"
    password = run("cat", str(secrets / "postgres_password")).stdout
    assert re.fullmatch(r"[0-9a-f]{64}", password)
    assert password not in made.stdout
    passfile = run("cat", str(secrets / "pgpass")).stdout
    assert passfile == f"db:5432:keystead:keystead:{password}\n"
    modes = run("stat", "-c", "%u %a", *(str(secrets / f) for f in ("postgres_password", "pgpass")))
    assert modes.stdout.split("\n")[:2] == ["999 400", "10001 400"]
    assert run("stat", "-c", "%u %a", str(secrets)).stdout == "0 700\n"

    again = run(str(script))
    assert again.returncode == 1
    assert "nothing was changed" in again.stderr
    assert run("cat", str(secrets / "postgres_password")).stdout == password
    run("rm", "-r", str(secrets))


def test_the_user_numbers_are_those_of_the_images() -> None:
    numbers = re.findall(r"chown (\d+):\d+", (COMPOSE / "make-secrets").read_text())
    assert SERVICES["db"]["user"].split(":")[0] == numbers[0]
    assert f"--uid {numbers[1]} " in (ROOT / "Dockerfile").read_text()
