"""Reads the settings of `bridge.settings_table` from the environment and `.env`, and checks them at start.

The only module that looks at the environment. An empty value counts as unset, because compose files and unit files pass
empty values on for what a user left out. A secret may stand in a file instead, which `<name>_FILE` names: so hand
orchestrators and service managers them over.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

from bridge import redis_url as urls
from bridge.errors import SettingsError
from bridge.settings_table import Settings
from bridge.values import Secret, secret_in

__all__ = [
    "Settings",
    "data_path",
    "effective",
    "example",
    "load",
    "load_for_demo",
    "service_manager",
    "variables",
]

_FILE = "_FILE"
_NOT_FOR_DEMO = (
    *("BITMART_", "DATA_DIR", "BRIDGE_PREFIX", "INGESTER_ID"),
    *("REDIS_URL", "REDIS_PASSWORD", "REDIS_SENTINEL", "REDIS_CA", "REDIS_CERT", "REDIS_KEY"),
)


def load(
    environ: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env"), redis_url: str | None = None
) -> Settings:
    """Read all settings; a variable of the environment wins over the same in the `.env` file.

    Args:
        environ: the environment; by default the process's own.
        dotenv: the file to read besides; `None` reads none, and a missing file is no error.
        redis_url: stands in for `REDIS_URL`, as given on a command line.

    Raises:
        SettingsError: at least one setting is wrong; all of them are named.
    """
    given = _read_file(dotenv) if dotenv else {}
    given |= {name: value for name, value in (os.environ if environ is None else environ).items() if value.strip()}
    problems: list[str] = []
    if redis_url:
        problems += _told_to_everybody(redis_url)
        given |= {"REDIS_URL": redis_url, f"REDIS_URL{_FILE}": ""}
    values = {}
    for row in fields(Settings):
        name = row.name.upper()
        try:
            text = _text(name, given, may_be_file=isinstance(row.default, Secret))
        except SettingsError as wrong:
            problems += wrong.problems
            continue
        if text:
            try:
                values[row.name] = row.metadata["read"](text)
            except ValueError as wrong:
                problems.append(f"{name}: {wrong}")
    settings = Settings(**values)
    problems += _contradictions(settings)
    if problems:
        raise SettingsError(problems)
    return dataclasses.replace(settings, redis_url=_whole_url(settings))


def _whole_url(settings: Settings) -> Secret:
    """Return the URL with all that other settings say of the connection, so that it alone tells how to connect."""
    options = {
        "sentinel_username": settings.redis_sentinel_user,
        "sentinel_password": settings.redis_sentinel_password.reveal(),
        "ssl_ca_certs": settings.redis_ca_file,
        "ssl_certfile": settings.redis_cert_file,
        "ssl_keyfile": settings.redis_key_file or settings.redis_cert_file,
    }
    url = settings.redis_url.reveal()
    return Secret(urls.joined(url, settings.redis_password.reveal(), options)) if url else settings.redis_url


def _text(name: str, given: Mapping[str, str], *, may_be_file: bool) -> str:
    """Return what a variable says, or the file that `<name>_FILE` names."""
    text = given.get(name, "").strip()
    path = given.get(f"{name}{_FILE}", "").strip() if may_be_file else ""
    if not path:
        return text
    if text:
        raise SettingsError([f"{name}, {name}{_FILE}: expected one of them, not both"])
    try:
        return secret_in(path)
    except ValueError as wrong:
        raise SettingsError([f"{name}{_FILE}: {wrong}"]) from None


def _told_to_everybody(redis_url: str) -> list[str]:
    try:
        hidden = urlsplit(redis_url).password is not None
    except ValueError:  # which `_contradictions` tells in its own words
        hidden = False
    told = "expected no password: a program's arguments can be read by all users of the machine; use REDIS_URL_FILE"
    return [f"--redis-url: {told}"] if hidden else []


def _read_file(dotenv: Path) -> dict[str, str]:
    try:
        return {name: value or "" for name, value in dotenv_values(dotenv).items()}
    except (OSError, UnicodeDecodeError) as wrong:
        raise SettingsError([f"{dotenv}: expected a readable text file: {wrong}"]) from None


def load_for_demo() -> Settings:
    """Read the settings of the demonstration: nothing that could lead it to a real exchange or a real store.

    Raises:
        SettingsError: as `load` does.
    """
    given = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_FOR_DEMO)}
    return load(given, dotenv=None)


def data_path(settings: Settings) -> Path:
    """Return the directory of our own server's data."""
    if settings.data_dir:
        return Path(settings.data_dir).expanduser()
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "bitmart-bridge"


def _contradictions(settings: Settings) -> list[str]:
    found = []
    credentials = (settings.bitmart_api_key, settings.bitmart_api_secret, settings.bitmart_api_memo)
    if any(credentials) and not all(credentials):
        found.append("BITMART_API_KEY, BITMART_API_SECRET, BITMART_API_MEMO: expected all three or none of them")
    if settings.member_lifetime_s < 2 * settings.heartbeat_interval_s:
        found.append("MEMBER_LIFETIME_S: expected at least twice HEARTBEAT_INTERVAL_S")
    for name, where in (("CTRL_ADDR", settings.ctrl_addr), ("METRICS_ADDR", settings.metrics_addr)):
        if int(where.rpartition(":")[2] or 0) > 65_535:  # noqa: PLR2004 - the greatest port
            found.append(f"{name}: expected a port of at most 65535")
    return found + _redis_contradictions(settings)


def _redis_contradictions(settings: Settings) -> list[str]:
    if not settings.redis_url:
        return []
    try:
        url = urls.parse(settings.redis_url.reveal())
    except ValueError as wrong:
        return [f"REDIS_URL: {wrong}"]
    found = []
    files = {name: getattr(settings, name.lower()) for name in ("REDIS_CA_FILE", "REDIS_CERT_FILE", "REDIS_KEY_FILE")}
    for name, path in files.items():
        if path and not os.access(path, os.R_OK):
            found.append(f"{name}: expected a readable file")
        if path and not url.tls:
            found.append(f"{name}: expected a REDIS_URL with TLS, such as rediss://")
    if settings.redis_key_file and not settings.redis_cert_file:
        found.append("REDIS_KEY_FILE: expected REDIS_CERT_FILE beside it")
    if settings.redis_password and url.password:
        found.append("REDIS_PASSWORD: expected no other password in REDIS_URL")
    if (settings.redis_sentinel_user or settings.redis_sentinel_password) and url.kind is not urls.Kind.SENTINEL:
        found.append("REDIS_SENTINEL_USER, REDIS_SENTINEL_PASSWORD: expected a REDIS_URL that names sentinels")
    return found


def service_manager(environ: Mapping[str, str] | None = None) -> tuple[str, float]:
    """Return where a service manager wants to be told how it goes, and the seconds within which it wants to hear more.

    These variables are the manager's (systemd's), not ours: empty and 0 where there is none, and where it means another
    process than this one.
    """
    told = os.environ if environ is None else environ
    meant = told.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
    period = told.get("WATCHDOG_USEC", "")
    watchdog_s = int(period) / 1_000_000 if meant and period.isdecimal() else 0.0
    return told.get("NOTIFY_SOCKET", ""), watchdog_s


def effective(settings: Settings) -> dict[str, str]:
    """Return each variable's name and its value in force, secrets masked."""
    return {row.name.upper(): str(getattr(settings, row.name)) for row in fields(Settings)}


def variables() -> list[str]:
    """Return the name of each variable that is heeded, those that name a secret's file among them."""
    return [
        name
        for row in fields(Settings)
        for name in (row.name.upper(), *([f"{row.name.upper()}{_FILE}"] if isinstance(row.default, Secret) else []))
    ]


def example() -> str:
    """Return the text of `.env.example`: every variable with its meaning, range and default, all commented out."""
    lines = [
        "# Copy to .env and set what you need. Every line shows the default; an empty value counts as unset.",
        "# What is kept secret may stand in a file of one line instead: CTRL_TOKEN_FILE=/path, and so for each.",
        "",
    ]
    for row in fields(Settings):
        default = "" if isinstance(row.default, Secret) else row.default
        lines += [f"# {row.metadata['meaning']} ({row.metadata['expected']})", f"#{row.name.upper()}={default}", ""]
    return "\n".join(lines)
