"""Two services on one PostgreSQL behind nginx, under load, one of them killed with SIGKILL every minute.

    python benchmarks/replicas.py [--minutes 10] [--kill-every 60] [--write]

Needs Debian's PostgreSQL and nginx. The services listen on two addresses of loopback; nginx has the settings that ship
in deploy/nginx, without TLS and without the limits of one address. At the same time

- users verify with ever new clips; an accepted clip is then sent to both services again;
- one nonce is sent to both services at once, again and again, each time with the same clip;
- for ever new names eight attempts come at once, where five failures make the next one wait;
- new people enrol.

An answer that was lost (the connection ended, or nginx had none) is asked for again with the same nonce. At the end all
answers are held to what the database knows: no attempt counted twice, none lost, no replay accepted, no name tried
more often than the lock allows, the audit trail whole. --write puts the figures into docs/results/scaling.md. Other
load on the machine moves the numbers of attempts, and none of what must hold.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import httpx
import psutil
from sections import figure_table, write_section
from serving import SETTINGS, prepare, start, take

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "store"))

from postgres import Postgres, missing

from facemotion.service.guard import audit
from facemotion.service.migrate import open_served

PAGE = ROOT / "docs" / "results" / "scaling.md"
DEPLOYED = ROOT / "deploy" / "nginx"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
HOSTS = ("127.0.0.1", "127.0.0.2")
WAITS = f"{SETTINGS}[attempts]\nwait_seconds = 600\n"
"""No wait ends while a burst of attempts lasts."""
BURST, FREE = 8, 5
"""Attempts for one name at once, and how many of them may come to a comparison."""
PAUSE = 0.5
"""Seconds between two attempts of a user."""
DOWN = 2.0
"""Seconds that a killed service stays away."""
JUDGED = ("accepted", "rejected", "replay", "unknown user")


@dataclass
class Tally:
    """What one name was told.

    Attributes:
        nonces: sent with an attempt.
        judged: answers that a comparison came to.
        lost: requests without an answer.
        taken: of the nonces that were sent twice, how often each was judged.
    """

    nonces: int = 0
    judged: int = 0
    lost: int = 0
    taken: Counter[str] = field(default_factory=Counter)


class Load:
    """Everybody who uses the services, until the end.

    Args:
        front: address of nginx.
        services: addresses of both.
        key: of an administrator.
        end: of the monotonic clock.
    """

    def __init__(self, front: str, services: list[str], key: str, end: float) -> None:
        self.front, self.services, self.end = front, services, end
        self.http = httpx.Client(headers={"authorization": f"Bearer {key}"}, timeout=60)
        self.answers: Counter[str] = Counter()
        self.tallies: dict[str, Tally] = {}
        self.enrolled: list[str] = []
        self.replays_accepted = 0
        self.replays_sent = 0
        self.seeds = count(100)

    def ask(self, method: str, url: str, **more: object) -> httpx.Response | None:
        """One request, once somebody is there to take it; None where its answer was lost."""
        while True:
            try:
                answer = self.http.request(method, url, **more)  # type: ignore[arg-type]
            except httpx.ConnectError:  # nobody got it
                time.sleep(0.2)
                continue
            except httpx.TransportError:
                return None
            return None if answer.status_code in (502, 504) else answer

    def nonce(self, user: str, purpose: str = "verify") -> str:
        """A nonce, however often it must be asked for; "" at the end."""
        while time.monotonic() < self.end:
            answer = self.ask("POST", f"{self.front}/v1/users/{user}/nonces", json={"purpose": purpose})
            if answer is not None and answer.status_code == 201:
                return str(answer.json()["nonce"])
            if answer is not None and answer.json()["error"] == "LockedError":
                self.answers["waits"] += 1
                self.ask("POST", f"{self.front}/v1/users/{user}/unlock")
            time.sleep(0.2)
        return ""

    def attempt(self, user: str, clip: bytes, nonce: str, where: str = "", twice: bool = False) -> str:
        """An attempt, sent again with its nonce where the answer was lost or the service busy; how it ended."""
        tally = self.tallies.setdefault(user, Tally())
        tally.nonces += not twice
        for _ in range(20):
            form = {"data": {"nonce": nonce}, "files": {"clip": ("c.mp4", clip, "video/mp4")}}
            answer = self.ask("POST", f"{where or self.front}/v1/users/{user}/verify", **form)
            if answer is None:
                self.answers["lost"] += 1
                tally.lost += 1
                time.sleep(0.5)
                continue
            words = answer.json()
            ended = str(words["evidence"]["outcome"] if answer.status_code == 200 else words["error"])
            self.answers[ended] += 1
            if answer.status_code == 503:
                time.sleep(0.5)
                continue
            if ended in JUDGED:
                tally.judged += 1
                tally.taken[nonce] += 1
            return ended
        return "given up"

    def clip(self) -> bytes:
        """A clip that nobody sent before."""
        return take(next(self.seeds))

    def user(self, name: str) -> None:
        """Verifies; of each accepted clip the same is tried again at both services."""
        while nonce := self.nonce(name):
            clip = self.clip()
            if self.attempt(name, clip, nonce) == "accepted":
                for where in self.services:
                    if again := self.nonce(name):
                        self.replays_sent += 1
                        self.replays_accepted += self.attempt(name, clip, again, where) == "accepted"
            time.sleep(PAUSE)

    def doubler(self, name: str) -> None:
        """Sends each nonce to both services at once."""
        with ThreadPoolExecutor(2) as pool:
            while nonce := self.nonce(name):
                clip = self.clip()
                self.tallies.setdefault(name, Tally()).nonces += 1
                list(pool.map(lambda where, n=nonce, c=clip: self.attempt(name, c, n, where, True), self.services))
                self.ask("POST", f"{self.front}/v1/users/{name}/unlock")
                time.sleep(PAUSE)

    def guesser(self, prefix: str) -> None:
        """BURST attempts at once for each of many names."""
        clip = self.clip()
        with ThreadPoolExecutor(BURST) as pool:
            for number in count():
                name = f"{prefix}{number}"
                nonces = [self.nonce(name) for _ in range(BURST)]
                if not all(nonces):
                    return
                list(pool.map(lambda nonce, name=name: self.attempt(name, clip, nonce), nonces))

    def newcomers(self, prefix: str) -> None:
        """Enrols one new name after the other."""
        for number in count():
            name = f"{prefix}{number}"
            while nonce := self.nonce(name, "enrol"):
                form = {"data": {"nonce": nonce}, "files": [("takes", ("t", self.clip(), "video/mp4")) for _ in "12"]}
                answer = self.ask("POST", f"{self.front}/v1/users/{name}/enrolment", **form)
                ended = "lost" if answer is None else str(answer.status_code)
                self.answers[f"enrolment {ended}"] += 1
                if ended in ("201", "409"):  # 409: the answer was lost, the enrolment wasn't
                    self.enrolled.append(name)
                    break
                time.sleep(PAUSE)
            else:
                return
            time.sleep(10)


class Replicas:
    """Two services on one store.

    Args:
        folder: for settings and logs.
        store: URL.
    """

    def __init__(self, folder: Path, store: str) -> None:
        self.folder = folder
        self.key, self.environment = prepare(folder, store, WAITS)
        started = [start(folder, self.environment, "--host", host, "--port", "0") for host in HOSTS]
        self.urls = [url for url, _ in started]
        self.processes = [process for _, process in started]
        self.kills: list[float] = []

    def kill(self, number: int) -> None:
        """Kill one, and start it again a little later; how long it was away is kept."""
        process, since = self.processes[number], time.monotonic()
        for each in (*psutil.Process(process.pid).children(recursive=True), process):
            with suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait()
        time.sleep(DOWN)
        host, _, port = self.urls[number].removeprefix("http://").partition(":")
        _, self.processes[number] = start(self.folder, self.environment, "--host", host, "--port", port)
        self.kills.append(time.monotonic() - since)

    def stop(self) -> None:
        """End both."""
        for process in self.processes:
            process.terminate()
            process.wait()


@contextmanager
def balanced(folder: Path, urls: list[str]) -> Iterator[str]:
    """nginx before both services, with the settings that ship; its address."""
    assert NGINX is not None
    line = (DEPLOYED / "upstream.local.conf").read_text("utf-8")
    (folder / "upstream.conf").write_text(
        "".join(line.replace("127.0.0.1:8470", url.removeprefix("http://")) for url in urls), "utf-8"
    )
    with socket.socket() as probe:
        probe.bind((HOSTS[0], 0))
        port = int(probe.getsockname()[1])
    site = (DEPLOYED / "facemotion.conf").read_text("utf-8").replace("/etc/nginx/facemotion-", f"{folder}/")
    site = re.sub(r"server \{\n    listen 80;.*?\n\}\n", "", site, flags=re.S)  # only sends on to TLS
    site = re.sub(r"^ *(listen \[|ssl_|limit_|add_header).*\n", "", site, flags=re.M)
    site = site.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    site = re.sub(r"access_log \S+ facemotion;", "access_log off;", site)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.getuid() == 0 else ""
    text = f"{user}daemon off;\npid {folder}/nginx.pid;\nevents {{}}\nhttp {{\n{temporary}{site}}}\n"
    (folder / "nginx.conf").write_text(text, "utf-8")
    with (folder / "nginx.log").open("w") as log:
        server = subprocess.Popen([NGINX, "-c", folder / "nginx.conf", "-e", "stderr"], stderr=log)
    try:
        for _ in range(100):
            with suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200:
                    break
            time.sleep(0.1)
        else:
            raise SystemExit((folder / "nginx.log").read_text("utf-8"))
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def held(load: Load, store: str, key: str) -> tuple[dict[str, str], list[str]]:
    """Rows of a table of what must hold, and what doesn't."""
    broken: list[str] = []

    def must(holds: bool, words: str) -> None:
        if not holds:
            broken.append(words)

    with open_served(store, key=key) as opened:
        report = audit.check(opened.database)
        rows = [row for row in audit.read(opened.database, limit=10**6) if row.action == "verify"]
        noted = Counter(row.user for row in rows)
        judged = Counter(row.user for row in rows if row.outcome in JUDGED)
        failures = {user: load.ask("GET", f"{load.front}/v1/users/{user}") for user in load.tallies}
        most = 0
        for user, tally in load.tallies.items():
            must(noted[user] <= tally.nonces, f"{user}: {noted[user]} attempts noted, {tally.nonces} made")
            must(judged[user] >= tally.judged, f"{user}: {tally.judged} judged, {judged[user]} noted")
            must(judged[user] <= tally.judged + tally.lost, f"{user}: {judged[user]} noted, {tally.judged} answered")
            must(max(tally.taken.values(), default=0) <= 1, f"{user}: a nonce was good twice")
            if user.startswith("guess"):
                most = max(most, judged[user])
                must(judged[user] <= FREE, f"{user}: {judged[user]} comparisons of {FREE}")
                answer = failures[user]
                counted = answer.json()["failures"] if answer is not None else -1
                must(judged[user] <= counted <= FREE, f"{user}: {counted} failures of {judged[user]} comparisons")
        for name in load.enrolled:
            must(opened.get(name, "motion").user == name, f"{name} is lost")
    must(load.replays_accepted == 0, f"{load.replays_accepted} replays accepted")
    pairs = sum(len(tally.taken) for user, tally in load.tallies.items() if user.startswith("twin"))
    bursts = sum(user.startswith("guess") for user in load.tallies)
    lost = sum(tally.lost for tally in load.tallies.values())
    answered = sum(tally.judged for tally in load.tallies.values())
    table = {
        "attempts judged, and in the trail": f"{answered}, {sum(judged[user] for user in load.tallies)}",
        "answers lost with a killed process, and asked for again": str(lost),
        "nonces sent to both at once, good more than once": f"{pairs}, 0",
        f"names with {BURST} attempts at once; most comparisons of one (allowed: {FREE})": f"{bursts}; {most}",
        "accepted clips sent again to both, accepted": f"{load.replays_sent}, {load.replays_accepted}",
        "people enrolled, lost": f"{len(load.enrolled)}, 0",
        "rows of the audit trail, all in one chain": str(report.rows),
    }
    return table, broken


def main() -> int:
    """Run, print a table, and fail on anything that doesn't hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--kill-every", type=float, default=60, metavar="SECONDS")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if reason := missing() or ("" if NGINX else "nginx is not installed (apt-get install nginx-light)"):
        raise SystemExit(reason)
    server = Postgres()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder, store = Path(name), server.database()
            replicas = Replicas(folder, store)
            try:
                with balanced(folder, replicas.urls) as front:
                    load, users = Load(front, replicas.urls, replicas.key, time.monotonic() + 60), ("user0", "user1")
                    for user in (*users, "twin"):
                        takes = [("takes", ("t", load.clip(), "video/mp4")) for _ in range(2)]
                        form = {"data": {"nonce": load.nonce(user, "enrol")}, "files": takes}
                        answer = load.ask("POST", f"{front}/v1/users/{user}/enrolment", **form)
                        assert answer is not None
                        assert answer.status_code == 201, answer.text
                    load.end = time.monotonic() + 60 * given.minutes
                    run(load, replicas, users, given.kill_every)
                    table, broken = held(load, store, replicas.environment["FACEMOTION_STORE_KEY"])
            finally:
                replicas.stop()
    finally:
        server.remove()
    away = f"{min(replicas.kills):.0f} to {max(replicas.kills):.0f} s" if replicas.kills else "-"
    head = {
        "duration": f"{given.minutes:g} minutes",
        "kills with SIGKILL; away, start included": f"{len(replicas.kills)}; {away}",
    }
    text = figure_table(head | table)
    print(text, dict(load.answers), *broken, sep="\n")
    if given.write and not broken:
        write_section(PAGE, "replicas", text)
    return int(bool(broken))


def run(load: Load, replicas: Replicas, users: tuple[str, ...], kill_every: float) -> None:
    """All of the load and the kills, until the end."""
    work: list[tuple[Callable[[str], None], str]] = [(load.user, user) for user in users]
    work += [(load.doubler, "twin"), (load.guesser, "guess"), (load.newcomers, "new")]
    over = threading.Event()

    def kills() -> None:
        for number in count():
            if over.wait(kill_every) or time.monotonic() > load.end - kill_every / 2:
                return
            replicas.kill(number % len(HOSTS))

    killer = threading.Thread(target=kills)
    killer.start()
    with ThreadPoolExecutor(len(work)) as pool:
        ended = [pool.submit(one, name) for one, name in work]
    over.set()
    killer.join()
    for future in ended:
        future.result()


if __name__ == "__main__":
    sys.exit(main())
