"""A PostgreSQL server of our own for the tests: Debian's binaries, a temporary folder, loopback, a free port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg


def binaries() -> Path | None:
    """The newest Debian PostgreSQL's bin folder; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def missing() -> str:
    """Why no server can be started here; empty if one can."""
    if binaries() is None:
        return "PostgreSQL is not installed (apt-get install postgresql)"
    if os.getuid() == 0 and not _account():
        return "PostgreSQL won't run as root, and there is no user 'postgres'"
    return ""


def _account() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return None


class Postgres:
    """A running server; `database()` makes an empty database in it."""

    def __init__(self) -> None:
        bin_folder = binaries()
        assert bin_folder is not None
        self._bin = bin_folder
        self.folder = Path(tempfile.mkdtemp(prefix="facemotion-pg-"))
        self.as_root = os.getuid() == 0  # then everything runs as the user that Debian makes for it
        account = _account() if self.as_root else None
        self._as = {"user": account.pw_uid, "group": account.pw_gid} if account else {}
        if account:
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._run(
            "initdb", "-D", str(self.folder / "data"), "-U", "facemotion", "-A", "trust", "--no-sync", "-E", "UTF8"
        )
        self.url = f"postgresql://facemotion@127.0.0.1:{self.port}/postgres"
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._bin / program, *arguments],
            check=True,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            env={"LC_ALL": "C"},
            **self._as,
        )

    def start(self) -> None:
        """Start, or start again, and wait until it answers."""
        options = [
            "-p",
            str(self.port),
            "-h",
            "127.0.0.1",
            "-k",
            str(self.folder),
            "-c",
            "shared_buffers=16MB",
            "-c",
            "fsync=off",
        ]
        program = [self._bin / "postgres", "-D", self.folder / "data", *options]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                program, cwd=self.folder, stdout=log, stderr=log, env={"LC_ALL": "C"}, **self._as
            )
        for _ in range(300):
            ready = [self._bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            if subprocess.run(ready, check=False).returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError((self.folder / "log").read_text())

    def stop(self) -> None:
        """Stop and cut every connection; the data stays."""
        self._server.send_signal(signal.SIGINT)  # "fast" shutdown
        self._server.wait()

    def crash(self) -> None:
        """Stop without a checkpoint, as a killed server would; the next start recovers from the write-ahead log."""
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait()

    def database(self) -> str:
        """URL of an empty database; what an earlier call gave is emptied."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return self.url

    def remove(self) -> None:
        """Stop and delete everything."""
        self.stop()
        shutil.rmtree(self.folder)
