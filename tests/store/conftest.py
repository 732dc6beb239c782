"""A cluster and a primary with sentinels, one of each for the whole run, whole and empty before each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.store.clusters import Cluster, Watched


@pytest.fixture(scope="session")
def cluster_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three primaries with a replica each."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(cluster_of_the_run: Cluster) -> Cluster:
    """The same, with nothing in it."""
    cluster_of_the_run.empty()
    return cluster_of_the_run


@pytest.fixture(scope="session")
def watched_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A primary with a replica and three sentinels."""
    with Watched(tmp_path_factory.mktemp("watched")) as watched:
        yield watched


@pytest.fixture
def watched(watched_of_the_run: Watched) -> Watched:
    """The same, with nothing in it."""
    watched_of_the_run.empty()
    return watched_of_the_run
