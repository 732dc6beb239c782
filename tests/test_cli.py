"""The command line, as a program of its own."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path

import pytest
import redis

from bridge import __version__, cli
from bridge.simulator.recorded.recording import Recording
from bridge.store.embedded.server import EmbeddedServer
from bridge.store.keys import Keys
from tests.children import Child, finished
from tests.ingest.rig import nobody

COMMANDS = (
    "up",
    "ingest",
    "control",
    "simulate",
    "tail",
    "status",
    "check",
    "health",
    "backfill",
    "record",
    "completion",
)
KEYS = Keys()
Run = Callable[..., tuple[int, str, str]]
NOWHERE = "redis://nobody"


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment that holds no setting of ours, and a directory without a `.env`."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "COVERAGE_PROCESS_START") if name in os.environ}
    return kept | {"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[1])}


def start(home: dict[str, str], *words: str, **settings: str) -> Child[str]:
    return Child[str](
        [sys.executable, "-m", "bridge", *words],
        env=home | settings,
        cwd=home["HOME"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(home: dict[str, str], *words: str, **settings: str) -> tuple[int, str, str]:
    """Run a command to its end; return its exit code and what it wrote."""
    with start(home, *words, **settings) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@contextmanager
def running(home: dict[str, str], *words: str, **settings: str) -> Iterator[Child[str]]:
    """A command that runs until it is ended."""
    with start(home, *words, **settings) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def here(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a command to its end in this process, which is faster, as `run` does in one of its own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.chdir(home["HOME"])
    for name in set(os.environ) - set(home):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", home["HOME"])

    def command(*words: str, **settings: str) -> tuple[int, str, str]:
        for name, text in settings.items():
            monkeypatch.setenv(name, text)
        monkeypatch.setattr(sys, "argv", ["bitmart-bridge", *words])
        out, err = io.StringIO(), io.StringIO()
        code: object = 0
        with redirect_stdout(out), redirect_stderr(err):
            try:
                cli.main()
            except SystemExit as end:
                code = end.code
        assert isinstance(code, int)
        return code, out.getvalue(), err.getvalue()

    yield command
    root.handlers[:], root.level = handlers, level


def line(process: Child[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_every_command_explains_itself(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    for asking in ("--help", "-h"):
        cli.cli([*command, asking], standalone_mode=False, prog_name="bitmart-bridge")
        told = capsys.readouterr().out
        assert told.startswith(f"Usage: {' '.join(['bitmart-bridge', *command])} ")
    if not command:
        assert all(f"\n  {name} " in told for name in COMMANDS)


def test_it_tells_its_version(home: dict[str, str]) -> None:
    assert run(home, "--version") == (0, f"bitmart-bridge, version {__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nonsense",), "No such command 'nonsense'"),
        (("tail", "candles"), "'candles' is not one of 'klines', 'orders', 'fills', 'positions', 'events'"),
        (("simulate", "--rate", "fast"), "Invalid value for '--rate'"),
        (("simulate", "--rate", "0"), "rate must be above zero, not 0.0"),
        (("simulate", "--port", "65536"), "Invalid value for '--port'"),
        (("simulate", "--port", "0", "--fault", "rain"), "there is no fault named 'rain'; the faults are "),
        (("simulate", "--port", "0", "--fault", "stall=maybe"), "stall must be true or false, not 'maybe'"),
        (("tail", "--timeframe", "7x", "--redis-url", NOWHERE), "error: unknown timeframe '7x': expected one of 1m 5m"),
        (("tail", "--where", "side", "--redis-url", NOWHERE), "--where side: expected FIELD=VALUE"),
        (("tail", "--since", "noon", "--redis-url", NOWHERE), "error: unknown time 'noon': expected ISO 8601"),
        (("status", "--redis-url", NOWHERE), "error: Redis: "),
        (("status", "--redis-url", "localhost:6379"), "wrong setting: REDIS_URL: expected a URL that begins with"),
        (("tail", "--redis-url", "localhost:6379"), "wrong setting: REDIS_URL: expected a URL that begins with"),
        (("status", "--watch", "--json", "--redis-url", NOWHERE), "--watch is for people and --json for programs"),
        (("record", "nonsense"), "error: 'nonsense' is no topic"),
        (("record", "futures/order"), "error: futures/order needs credentials"),
        (("record",), "error: no Redis: set REDIS_URL"),
        (("completion", "csh"), "'csh' is not one of 'bash', 'zsh', 'fish'"),
        (("status",), "error: no Redis: set REDIS_URL, or start `bitmart-bridge up` first (looked in "),
        (("tail",), "error: no Redis: set REDIS_URL"),
        (("ingest",), "error: no Redis: set REDIS_URL"),
        (("control",), "error: no Redis: set REDIS_URL"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_said_and_exits_with_two(here: Run, words: tuple[str, ...], told: str) -> None:
    with nobody() as address:
        code, out, err = here(*(word.replace("//nobody", f"//{address}") for word in words))
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["up", "ingest", "control", "tail", "status", "check"])
def test_all_wrong_settings_are_named_at_once_before_anything_starts(
    here: Run, home: dict[str, str], command: str
) -> None:
    (Path(home["HOME"]) / ".env").write_text("LOG_LEVEL=loud\n")
    code, out, err = here(command, SUBSCRIBE_BATCH="0", BITMART_API_KEY="the-key")
    assert (code, out) == (2, "")
    assert [text.partition(": expected")[0] for text in err.splitlines()] == [
        "wrong setting: SUBSCRIBE_BATCH",
        "wrong setting: LOG_LEVEL",
        "wrong setting: BITMART_API_KEY, BITMART_API_SECRET, BITMART_API_MEMO",
        "nothing was started; .env.example lists all settings",
    ]
    assert "the-key" not in err


def test_check_shows_every_setting_and_no_secret(here: Run) -> None:
    secrets = {
        "BITMART_API_KEY": "the-key",
        "BITMART_API_SECRET": "the-secret",
        "BITMART_API_MEMO": "the-memo",
        "CTRL_TOKEN": "the-token",
        "REDIS_URL": "redis://user:the-password@host",
    }
    code, out, err = here("check", "--offline", SUBSCRIBE_BATCH="7", **secrets)
    assert (code, err) == (0, "")
    told = dict(text.split("=", 1) for text in out.splitlines())
    assert told["SUBSCRIBE_BATCH"] == "7"
    assert {told[name] for name in secrets} == {"********"}
    assert "the-" not in out


def test_check_tries_things_and_exits_with_one_if_something_fails(here: Run) -> None:
    with nobody() as address:
        code, out, _ = here(
            "check",
            REDIS_URL=f"redis://{address}",
            BITMART_REST_URI=f"http://{address}",
            BITMART_PUBLIC_WS_URI=f"ws://{address}/api",
        )
    assert code == 1
    for name in ("Redis", "REST", "public socket"):
        assert f"\n{name}: FAILED, " in out
    assert out.endswith("login: not tried, no credentials are set\n")


def test_simulate_says_how_to_point_a_bridge_at_it_and_check_finds_it_good(
    home: dict[str, str], valkey_url: str
) -> None:
    with running(
        home, "simulate", "--port", "0", "--rate", "2", "--symbols", "3", "--fault", "newline=true"
    ) as exchange:
        assert line(exchange) == "A simulated BitMart. Point a bridge at it with:"
        settings = dict(line(exchange).split("=", 1) for _ in range(6))
        assert set(settings) == {
            "BITMART_PUBLIC_WS_URI",
            "BITMART_PRIVATE_WS_URI",
            "BITMART_REST_URI",
            "BITMART_API_KEY",
            "BITMART_API_SECRET",
            "BITMART_API_MEMO",
        }
        assert line(exchange) == f"Faults: curl {settings['BITMART_REST_URI']}/simulator/faults"
        code, out, err = run(home, "check", REDIS_URL=valkey_url, **settings)
        assert (code, err) == (0, ""), out
        assert "\nlogin: ok, the credentials are accepted\n" in out
        taken = settings["BITMART_REST_URI"].rpartition(":")[2]
        code, _, err = run(home, "simulate", "--port", taken)
        assert code == 2
        assert "address already in use" in err
        exchange.send_signal(signal.SIGINT)
        assert exchange.wait(20) == 0


async def test_check_tries_the_server_of_up_where_no_other_is_named(
    home: dict[str, str], tmp_path: Path, valkey_url: str
) -> None:
    nowhere = {"BITMART_PUBLIC_WS_URI": "ws://127.0.0.1:1/", "BITMART_REST_URI": "http://127.0.0.1:1"}
    async with EmbeddedServer(tmp_path / "data" / "server", port=0) as server:
        data = {"DATA_DIR": str(tmp_path / "data")}
        code, out, _ = await asyncio.to_thread(partial(run, home, "check", **nowhere, **data))
        assert code == 1
        assert re.search(r"^Redis: ok, (valkey|redis) [\d.]+$", out, re.MULTILINE), out
        assert "\nREDIS_URL=\n" in out
        assert server.url
    code, out, _ = await asyncio.to_thread(partial(run, home, "check", "--redis-url", valkey_url, **nowhere))
    assert "\nREDIS_URL=********\n" in out
    assert "public socket: FAILED, 127.0.0.1 cannot be reached: " in out


def test_ctrl_c_before_anything_runs_says_nothing(here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bridge.loop.run", interrupted)
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        code, out, err = here("tail", "--redis-url", "redis://127.0.0.1:6390")
        gc.collect()
    assert (code, out, err.strip(), complaints) == (130, "", "", [])


# The installed program and the module; and of what a start imports, a module at its beginning and one at its end.
@pytest.mark.parametrize("door", [["-m", "bridge"], [str(Path(sys.executable).with_name("bitmart-bridge"))]])
@pytest.mark.parametrize("imported", ["click", "uvloop"])
def test_ctrl_c_while_it_loads_ends_it_without_a_word(home: dict[str, str], door: list[str], imported: str) -> None:
    interrupting = Path(home["HOME"], "interrupting")
    interrupting.mkdir()
    (interrupting / f"{imported}.py").write_text(INTERRUPTED, encoding="utf-8")
    path = f"{interrupting}{os.pathsep}{home['PYTHONPATH']}"
    told = finished([sys.executable, *door, "tail"], env=home | {"REDIS_URL": NOWHERE, "PYTHONPATH": path})
    assert (told.returncode, told.stdout, told.stderr) == (130, "", "")


def test_ctrl_c_is_ignored_where_who_starts_it_says_so(home: dict[str, str]) -> None:
    Path(home["HOME"], "click.py").write_text(INTERRUPTED, encoding="utf-8")
    ignoring = ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    told = finished([*ignoring, sys.executable, "-m", "bridge"], env=home, cwd=home["HOME"])
    assert (told.returncode, told.stdout, told.stderr) == (7, "", "")


# Where an exception would come out as another one, as it does of a descriptor's `__set_name__`.
INTERRUPTED = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
except BaseException as wrong:
    raise RuntimeError("it came out as another one") from wrong
raise SystemExit(7)
"""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_what_a_shell_can_read(here: Run, shell: str) -> None:
    code, out, _ = here("completion", shell)
    assert code == 0
    assert "_BITMART_BRIDGE_COMPLETE" in out


def test_record_and_replay_fit_together(home: dict[str, str]) -> None:
    with running(home, "simulate", "--port", "0", "--rate", "20") as exchange:
        said = [line(exchange) for _ in range(7)]
        settings = dict(row.split("=", 1) for row in said if row.startswith("BITMART_"))
        topic = "futures/klineBin1m:BTCUSDT"
        with running(home, "record", topic, "futures/order", "--out", "kept", **settings) as recording:
            folder = Path(home["HOME"]) / "kept"
            while not recorded(folder, topic):
                assert recording.poll() is None
            recording.send_signal(signal.SIGINT)
            out, _ = recording.communicate(timeout=20)
        assert recording.returncode == 0
        assert " frames in 1 file in kept" in out
    (file,) = folder.iterdir()
    with running(home, "simulate", "--port", "0", "--replay", str(file), "--rate", "5") as replay:
        assert " recorded frames of " in line(replay)
        replay.send_signal(signal.SIGINT)
        assert replay.wait(20) == 0


def recorded(folder: Path, topic: str) -> bool:
    try:
        heard = list(Recording.open(sorted(folder.iterdir())))
    except (OSError, ValueError):
        return False
    return any(frame.topic == topic for frame in heard)


def test_status_reads_redis(here: Run, valkey_url: str) -> None:
    assert here("status", "--redis-url", valkey_url) == (
        0,
        "0 wishes (revision 0)\nno live ingester\ntopics: none\n",
        "",
    )
    code, out, _ = here("status", "--json", REDIS_URL=valkey_url)
    assert (code, json.loads(out)) == (0, {"revision": 0, "paused": False, "ingesters": {}, "topics": {}})


def test_the_option_wins_over_the_setting(here: Run, valkey_url: str) -> None:
    code, out, _ = here("status", "--redis-url", valkey_url, REDIS_URL=NOWHERE)
    assert (code, out.splitlines()[0]) == (0, "0 wishes (revision 0)")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_tail_prints_until_it_is_told_to_stop(home: dict[str, str], valkey_url: str, number: signal.Signals) -> None:
    with redis.Redis.from_url(valkey_url) as writer:
        writer.xadd(KEYS.events, {"type": "event", "event": "lost", "subject": "public", "text": "cut off"})
        writer.xadd(KEYS.orders, {"type": "order"})
    with running(home, "tail", "events", "--from-start", "--json", REDIS_URL=valkey_url) as tail:
        told = json.loads(line(tail))
        assert (told["stream"], told["text"]) == (KEYS.events, "cut off")
        tail.send_signal(number)
        out, err = tail.communicate(timeout=20)
        assert (tail.returncode, out, err) == (0, "", "")


def test_tail_ends_when_its_reader_has_gone(home: dict[str, str], valkey_url: str) -> None:
    with (
        redis.Redis.from_url(valkey_url) as writer,
        running(home, "tail", "--from-start", REDIS_URL=valkey_url) as tail,
    ):
        writer.xadd(KEYS.events, {"type": "event", "event": "e", "subject": "s", "text": "t"})
        assert line(tail).endswith("e  s  t")
        assert tail.stdout is not None
        tail.stdout.close()
        while tail.poll() is None:
            writer.xadd(KEYS.events, {"type": "event", "event": "e", "subject": "s", "text": "t"})
        assert tail.returncode == 0
        assert tail.stderr is not None
        assert tail.stderr.read() == ""


def test_tail_prints_what_it_does_not_understand_as_it_is(home: dict[str, str], valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as writer:
        writer.xadd(KEYS.events, {"type": "kline", "symbol": "not a candle of ours"})
    with running(home, "tail", "--from-start", "--count", "1", REDIS_URL=valkey_url) as tail:
        out, err = tail.communicate(timeout=20)
        assert (tail.returncode, err) == (0, "")
        assert "symbol=not a candle of ours" in out


def test_a_store_of_another_world_ends_an_ingester_with_two(home: dict[str, str], valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as writer:
        writer.hset(KEYS.meta, "environment", "live")
    with nobody() as address:
        code, _, err = run(home, "ingest", REDIS_URL=valkey_url, BITMART_REST_URI=f"http://{address}")
    assert code == 2
    assert "error: the keys under 'bitmart' belong to environment 'live', not 'simulator'" in err
    assert "Traceback" not in err


def test_an_ingester_without_an_address_cannot_be_asked_how_it_is(home: dict[str, str]) -> None:
    code, _, err = run(home, "health", "--ingester")
    assert code == 2
    assert "METRICS_ADDR" in err
