"""The two ways to use the stack: `run` it until told to stop, or play the main job once."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from services.runtime.settings import load_settings
from services.stack import answers, demo, house, postgres, table
from services.stack.errors import StackError
from services.stack.home import ROOT, Home
from services.stack.http import Client
from services.stack.progress import Progress
from services.stack.settings import StackSettings, free_ports

SAMPLE = ROOT / "samples" / "sample.json"
EXPECTED = ROOT / "samples" / "expected.json"


async def run(progress: Progress) -> None:
    """Start the stack, load the sample into an empty database, show its answers, and stay up until cancelled."""
    settings = load_settings(StackSettings)
    home, ports = Home(settings.home), settings.ports()
    with home.locked():
        async with house.running(home, ports, settings.database_url, progress):
            with progress.step("sample", "is recorded where there are no facts yet"):
                token = await _load_sample(home, ports)
            await answers.show(Client(ports["gateway"]), ports["gateway"], token, progress)
            progress.say(f"\nLogs are in {home.folder / 'logs'}. Ctrl-C ends everything; the data stays.")
            await asyncio.Event().wait()


async def play_demo(progress: Progress) -> bool:
    """Play the main job on a database and ports of its own, which are gone afterwards; tell whether all went well.

    The logs stay only when it did not.
    """
    home = Home(load_settings(StackSettings).home / "demo")
    ports = free_ports()
    sample, wanted = demo.shifted_sample(SAMPLE), json.loads(EXPECTED.read_text())
    with home.locked():
        _clear(home)
        try:
            async with house.running(home, ports, "", progress) as supervisor:
                is_well = await demo.play(Client(ports["gateway"]), sample, wanted, progress)
                if supervisor.ended:
                    progress.say("a process ended unasked", style="red")
            is_well = is_well and not supervisor.ended
        finally:
            _clear(home)
        if is_well:
            shutil.rmtree(home.folder)
        else:
            progress.say(f"logs are in {home.folder / 'logs'}")
        return is_well


def _clear(home: Home) -> None:
    """End what is left of a demo and remove its data; logs and lock stay."""
    home.end_leftovers()
    home.envoy_configuration.unlink(missing_ok=True)
    if home.postgres.exists():
        postgres.end(home.postgres)
        shutil.rmtree(home.postgres)


def database_url() -> str:
    """Return the URL of the database that `run` uses. Raises StackError when that is the embedded one and it is not running."""
    settings = load_settings(StackSettings)
    if settings.database_url:
        return settings.database_url
    server = postgres.find(Home(settings.home).postgres)
    if server is None:
        raise StackError("the database of make run is not running: start make run, or name another with RAPPORT_DATABASE_URL")
    return server.url_of(house.DATABASE)


async def _load_sample(home: Home, ports: Mapping[str, int]) -> str:
    """Load the sample with the command line's `load` and return its consistency token; "" when there are facts already."""
    command = [sys.executable, "-m", "services.cli", "load", str(SAMPLE), "--shift-to-now", "--only-if-empty", "--json"]
    done = await asyncio.to_thread(_output, command, table.environment(ports), home.log("sample"))
    return str(json.loads(done).get("consistencyToken", ""))


def _output(command: list[str], environment: Mapping[str, str], log: Path) -> str:
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)  # noqa: S603
    log.write_text(done.stdout + done.stderr)
    if done.returncode:
        raise StackError(f"the sample was not loaded:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout
