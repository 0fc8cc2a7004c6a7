"""The development stack.

python -m services.stack run     everything on this machine, until Ctrl-C
python -m services.stack demo    the main job once on a throw-away database; exits with 0 when every figure is right
python -m services.stack url     print the URL of the database that run uses
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from rich.console import Console

from services.stack.errors import StackError
from services.stack.progress import Progress
from services.stack.run import database_url, play_demo, run

_WIDTH_OF_FILES = 140


def main(arguments: list[str]) -> int:
    """Run a command and return its exit code: 1 when the stack cannot run or a figure is wrong, 2 for wrong usage.

    Ending `run` is how it ends; a demo that is stopped has shown nothing, hence 130.
    """
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH_OF_FILES
    progress = Progress(console)
    match arguments:
        case ["run"]:
            return _until_stopped(run(progress), progress, code_when_stopped=0)
        case ["demo"]:
            return _until_stopped(play_demo(progress), progress, code_when_stopped=130)
        case ["url"]:
            return _print_url()
        case _:
            sys.stderr.write(__doc__ or "")
            return 2


def _print_url() -> int:
    try:
        sys.stdout.write(f"{database_url()}\n")
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _until_stopped(work: Coroutine[Any, Any, bool | None], progress: Progress, *, code_when_stopped: int) -> int:
    with progress.shown():
        try:
            return 1 if asyncio.run(_stoppable(work, progress)) is False else 0
        except asyncio.CancelledError:
            progress.say("ended; nothing is left running")
            return code_when_stopped
        except StackError as error:
            progress.say(str(error), style="bold red")
            return 1


async def _stoppable(work: Coroutine[Any, Any, bool | None], progress: Progress) -> bool | None:
    """Do the work until it ends or a signal says stop; the first one is enough, and ends it in order.

    Raises CancelledError when it was stopped.
    """
    task = asyncio.ensure_future(work)

    def stop() -> None:
        if not task.cancelling():
            progress.say("ending …")
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return await task


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
