"""A PgBouncer of our own before a PostgreSQL server: Debian's binary, a temporary folder, loopback, a free port."""

from __future__ import annotations

import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from .postgres import Postgres


def binary() -> str | None:
    """Where PgBouncer is; Debian puts it where only root looks."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


class PgBouncer:
    """A running pooler in transaction mode: every transaction may get the other of two connections to the server.

    Args:
        server: behind it.
    """

    def __init__(self, server: Postgres) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="facemotion-pgbouncer-"))
        account = pwd.getpwnam("postgres") if server.as_root else None
        if account:
            shutil.chown(self.folder, account.pw_uid, account.pw_gid)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        settings = self.folder / "pgbouncer.ini"
        settings.write_text(
            f"""[databases]
postgres = host=127.0.0.1 port={server.port} dbname=postgres user=facemotion
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
server_login_retry = 1
query_wait_timeout = 2
logfile = {self.folder / "log"}
""",
            "utf-8",
        )
        found = binary()
        assert found is not None
        self._pooler = subprocess.Popen(
            [found, "-q", settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **({"user": account.pw_uid, "group": account.pw_gid} if account else {}),
        )
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text())

    def database(self, server: Postgres) -> str:
        """URL of an empty database behind the pooler."""
        return server.database().replace(f":{server.port}/", f":{self.port}/")

    def remove(self) -> None:
        """Stop and delete everything."""
        self._pooler.send_signal(signal.SIGTERM)
        self._pooler.wait()
        shutil.rmtree(self.folder)
