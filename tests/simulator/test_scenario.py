"""Scenarios that cannot be played."""

import pytest

from bridge.simulator import Scenario


@pytest.mark.parametrize(
    ("field", "value"),
    [("rate", 0), ("symbols", 0), ("quiet_share", 1.5), ("position_mode", "netting"), ("week_starts_on", "sunday")],
)
def test_a_scenario_that_cannot_be_played_is_refused_by_the_name_of_its_field(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        Scenario(**{field: value})  # type: ignore[arg-type]
