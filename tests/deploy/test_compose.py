"""The compose file: understood by compose, hardened, and in agreement with the rest."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge import settings
from tests.deploy.redis_users import made_secrets
from tests.deploy.tools import DEPLOY, document, run, understood

FOLDER = DEPLOY / "compose"
COMPOSE: dict[str, Any] = document(FOLDER / "compose.yaml")
ACCOUNT: dict[str, Any] = document(FOLDER / "compose.account.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "bitmart-bridge" in service["image"]}


def composed(folder: Path) -> dict[str, Any]:
    """Return the two files put together by compose itself."""
    if docker := shutil.which("docker"):
        try:
            run(docker, "compose", "version")
        except AssertionError:  # docker without that plug-in
            docker = None
    files = [FOLDER / "compose.yaml", FOLDER / "compose.account.yaml"]
    command: list[str | Path]
    if docker:
        command = [docker, "compose", "--project-directory", FOLDER]
    elif old := shutil.which("docker-compose"):
        # Version 1 knows all of it but the project's name.
        plain = folder / "compose.yaml"
        plain.write_text(yaml.safe_dump({key: COMPOSE[key] for key in COMPOSE if key != "name"}), encoding="utf-8")
        command, files[0] = [old, "--project-directory", FOLDER], plain
    else:
        pytest.skip("not checked: there is no docker compose on this machine (Debian: docker-compose)")
    said = run(*command, *(word for file in files for word in ("--file", file)), "config")
    found: dict[str, Any] = yaml.safe_load(said)
    return found


def test_compose_understands_the_files_and_puts_them_together(tmp_path: Path) -> None:
    services = composed(tmp_path)["services"]
    assert set(services) == set(SERVICES)
    for name in ("ingester-1", "ingester-2"):
        assert services[name]["environment"]["INGESTER_ID"] == name
        assert "BITMART_API_KEY_FILE" in services[name]["environment"]
        assert len(services[name]["secrets"]) == 5


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.keys() & {"privileged", "cap_add", "pid", "network_mode", "devices"}
    assert ":" in service["image"]
    assert not service["image"].endswith(":latest")
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_redis_is_reached_from_inside_alone_and_drops_nothing() -> None:
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert SERVICES["valkey"]["networks"] == ["inside"]
    assert "ports" not in SERVICES["valkey"]
    words = " ".join(SERVICES["valkey"]["command"])
    assert "--maxmemory-policy noeviction" in words
    assert "--appendonly yes" in words


@pytest.mark.parametrize("name", OURS)
def test_a_part_of_the_bridge_is_given_what_it_understands(name: str) -> None:
    given = OURS[name]["environment"]
    known = settings.load({key: text for key, text in given.items() if not key.endswith("_FILE")}, dotenv=None)
    assert set(given) <= set(settings.variables())
    assert known.log_format == "json"
    understood(OURS[name]["command"])
    if "healthcheck" in OURS[name]:
        _, program, *words = OURS[name]["healthcheck"]["test"]
        assert program == "bitmart-bridge"
        understood(words)


def test_ingesters_of_one_machine_share_its_budget_of_calls_and_have_names_of_their_own() -> None:
    given = [service["environment"] for name, service in OURS.items() if name.startswith("ingester")]
    assert len({one["REST_ADDRESS"] for one in given}) == 1
    assert len({one["INGESTER_ID"] for one in given}) == len(given) == 2


def test_each_secret_is_a_file_that_the_script_makes_or_that_the_guide_asks_for(tmp_path: Path) -> None:
    assert made_secrets(tmp_path / "secrets").returncode == 0
    made = {file.name for file in (tmp_path / "secrets").iterdir()}
    declared = {name: Path(row["file"]).name for name, row in COMPOSE["secrets"].items()}
    assert all(name == file for name, file in declared.items())
    assert set(declared) <= made
    for service in SERVICES.values():
        assert set(service.get("secrets", ())) <= set(declared)
        for key, text in service.get("environment", {}).items():
            if key.endswith("_FILE"):
                assert text.removeprefix("/run/secrets/") in service["secrets"]
    asked = set(ACCOUNT["secrets"])
    assert asked == {"bitmart-api-key", "bitmart-api-secret", "bitmart-api-memo"}


def test_no_secret_stands_in_a_variable() -> None:
    for service in [*SERVICES.values(), *ACCOUNT["services"].values()]:
        for key in service.get("environment", {}):
            assert key.endswith("_FILE") or not any(word in key for word in ("PASSWORD", "SECRET", "TOKEN", "KEY"))


def test_every_file_that_is_mounted_is_there() -> None:
    for service in SERVICES.values():
        for mount in service.get("volumes", ()):
            source = mount.partition(":")[0]
            assert (FOLDER / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
    assert (FOLDER / COMPOSE["x-bridge"]["build"]["context"] / COMPOSE["x-bridge"]["build"]["dockerfile"]).is_file()
