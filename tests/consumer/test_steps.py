"""Which troubles pass by waiting, and what carrying out steps does with them."""

from __future__ import annotations

import pytest
import redis
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
)

from bridge.consumer.steps import Ask, Call, Patience, Pause, Steps, carry_out, carry_out_async, is_passing

PASSING = [
    redis.ConnectionError("refused"),
    redis.TimeoutError(),
    TimeoutError(),
    ConnectionResetError(),
    BusyLoadingError("loading"),
    ReadOnlyError("replica"),
    OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
    ResponseError("OOM command not allowed when used memory > 'maxmemory'. script: 1"),
    ClusterDownError("The cluster is down"),
    MasterDownError("Link with MASTER is down"),
    RedisClusterException("Redis Cluster cannot be connected. Please provide at least one reachable node: refused"),
    ResponseError("MISCONF Redis is configured to save RDB snapshots"),
]
LASTING = [
    AuthenticationError("WRONGPASS"),
    AuthorizationError("no"),
    ResponseError("WRONGTYPE Operation against a key"),
    ResponseError("NOPERM no permissions"),
    RedisClusterException("No way to dispatch this command to Redis Cluster. Missing key."),
    ValueError("wrong"),
]


@pytest.mark.parametrize("trouble", PASSING)
def test_what_passes_is_waited_for_with_growing_pauses(
    trouble: Exception, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.consumer.steps.random.random", lambda: 1.0)
    told: list[str] = []
    steps = Patience(lambda: told.append("trouble")).through(asking)
    assert isinstance(next(steps), Ask)
    pauses = [steps.throw(trouble)]
    for _ in range(7):
        assert isinstance(next(steps), Ask)
        pauses.append(steps.throw(trouble))
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send("answer")
    assert end.value.value == "answer"
    assert [pause.seconds for pause in pauses if isinstance(pause, Pause)] == pytest.approx(
        [0.2, 0.3, 0.5, 0.9, 1.7, 3.3, 5.1, 5.1]
    )
    assert len(told) == 8
    assert len(caplog.records) == 1


@pytest.mark.parametrize("trouble", LASTING)
def test_what_waiting_does_not_mend_is_raised(trouble: Exception) -> None:
    assert not is_passing(trouble)
    steps = Patience().through(asking)
    next(steps)
    with pytest.raises(type(trouble)):
        steps.throw(trouble)


def asking() -> Steps[str]:
    answer: str = yield Ask("get", ("key",))
    return answer


def failing() -> Steps[str]:
    try:
        yield Call(lambda: 1 / 0)
    except ZeroDivisionError:
        yield Pause(0)
    number: int = yield Call(lambda: 7)
    return f"mended, {number}"


async def test_steps_are_given_what_went_wrong_and_may_mend_it() -> None:
    assert carry_out(None, failing()) == await carry_out_async(None, failing()) == "mended, 7"
