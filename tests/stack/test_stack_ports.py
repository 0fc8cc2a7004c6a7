"""Ports of the stack: taken ones are named with the variable that helps."""

from __future__ import annotations

import socket

import pytest

from services.stack.errors import StackError
from services.stack.settings import LISTENERS, StackSettings, free_ports, require_free


def test_free_ports_are_free_and_different() -> None:
    ports = free_ports()
    assert set(ports) == set(LISTENERS)
    assert len(set(ports.values())) == 9
    require_free(ports)


def test_a_taken_port_is_named_with_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=f"port {port} for query is taken by another program; set RAPPORT_QUERY_PORT"):
            require_free(free_ports() | {"query": port})


def test_one_port_for_two_is_refused() -> None:
    ports = free_ports()
    with pytest.raises(StackError, match="meant for"):
        require_free(ports | {"gateway": ports["ingest"]})


def test_ports_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPORT_GATEWAY_PORT", "18080")
    ports = StackSettings().ports()
    assert (ports["gateway"], ports["ingest"]) == (18080, 50051)
