"""Attacks, each tried many times: other motions, near misses, mimics by score; nonces, replays, many at once by HTTP.

    python benchmarks/attacks.py [NAME=MANIFEST ...] [--cache CACHE] [--part scores|protocol] [--write]

Scores: every take of a motion joins a template of `--takes` takes (as `evaluation.trials.template_trials` makes them),
and every other clip of the manifest is a probe of it: another motion, a near miss of this one, a mimic. What passes at
the encoder's default operating point is counted. The clips' features must lie in the cache (`facemotion features`).
With --simulated N, so many people of the data engine perform, are near missed and mimicked as mesh points without
pictures (needs FACEMOTION_ASSETS), which takes no rendering and says less.

Protocol: against `facemotion serve` on loopback, with the takes of `--recordings`, else with those of a drawn face,
which is mostly noise: what recognises a recording that was encoded anew needs real ones. With --write the tables go
into docs/results/security.md; a part that isn't run leaves its table as it is.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import av
import httpx
import numpy as np
from sections import write_section
from serving import served, take

from facemotion.config import Settings
from facemotion.data.cache import FeatureCache, read_features
from facemotion.data.manifest import read_manifest
from facemotion.encoder import Encoder
from facemotion.evaluation.trials import template_trials
from facemotion.models import Models
from facemotion.synth.people.assets import Assets
from facemotion.synth.points.simulate import SimulationSettings, simulate
from facemotion.synth.sets.plan import DatasetSettings
from facemotion.thresholds import for_takes, operating_points
from facemotion.types import ClipRecord, FeatureSequence, TrialKind

Performed = tuple[Sequence[ClipRecord], Sequence[FeatureSequence]]

PAGE = Path(__file__).parents[1] / "docs" / "results" / "security.md"
SETTINGS = """[limits]
requests_per_minute = 1e6
wasted_seconds = 1e6
queue = 100
queue_seconds = 60.0
[attempts]
free_failures = 1000
lock_failures = 100000
open_nonces = 1000
[replay]
remembered = 1000
"""
LOCKED = SETTINGS.replace("free_failures = 1000", "free_failures = 5")


def interval(hits: int, tries: int) -> str:
    """Share with its 95% interval. Reference: Wilson, Probable inference, the law of succession, 1927."""
    share, z = hits / tries, 1.96
    middle = (share + z**2 / (2 * tries)) / (1 + z**2 / tries)
    half = z / (1 + z**2 / tries) * np.sqrt(share * (1 - share) / tries + z**2 / (4 * tries**2))
    return f"{share:.1%} ({max(0.0, middle - half):.1%} to {min(1.0, middle + half):.1%})"


def simulated(people: int, frontend_id: str) -> Performed:
    """Motions, near misses and mimics of simulated people with heads of random shape, as points with noise."""
    planned = DatasetSettings(
        part="train",
        subjects=people,
        motions=3,
        lips=0,
        takes=4,
        near_misses=3,
        reorders=2,
        mimics=3,
        impostor_takes=4,
        seed=4711,
    )
    return simulate(SimulationSettings(planned), None, Assets.find(), frontend_id)


def scores(sets: dict[str, Path], cache: Path, takes: int, people: int) -> str:
    """Rows of what passes at the default operating point, by kind of probe."""
    name = Settings().verifier.encoder
    models = Models.configured()
    encoder, point = Encoder.load(name, models), for_takes(operating_points(models, name), takes)
    store = FeatureCache(cache, encoder.frontend_id)
    lines = [
        f"Templates of {takes} takes, threshold {point.threshold:.3f} ({point.name}, measured with templates of "
        f"{point.takes}). Intervals count every trial as independent, which trials of one motion aren't: they are too "
        "narrow.",
        "",
        "| clips | probe | trials | pairs of motions | accepted |",
        "|---|---|---|---|---|",
    ]
    performed: dict[str, Performed] = {}
    for words, path in sets.items():
        manifest = read_manifest(path)
        if any(record.split == "test" for record in manifest.records):
            manifest = manifest.select(split="test")
        acquired, clips = read_features(store, manifest)
        performed[words] = acquired.records, clips
    if people:
        performed[f"{people} simulated people, points without pictures"] = simulated(people, encoder.frontend_id)
    for words, (records, clips) in performed.items():
        trials = template_trials(np.stack([encoder(clip).vector for clip in clips]), records, takes)
        for kind in TrialKind:
            chosen = trials.kinds == kind.code
            if not chosen.any():
                continue
            pairs = len(np.unique(trials.motions[chosen], axis=0))
            hits = int((trials.scores[chosen] >= point.threshold).sum())
            label = "genuine, for comparison" if kind == TrialKind.GENUINE else kind
            lines.append(f"| {words} | {label} | {chosen.sum()} | {pairs} | {interval(hits, int(chosen.sum()))} |")
    return "\n".join(lines)


class Attacker:
    """Somebody who holds an API key that may verify, and sends what they like."""

    def __init__(self, url: str, key: str) -> None:
        self.http = httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=120)

    def nonce(self, user: str, purpose: str = "verify") -> str:
        return self.http.post(f"/v1/users/{user}/nonces", json={"purpose": purpose}).json().get("nonce", "")

    def enrol(self, user: str, takes: list[bytes]) -> bool:
        """Whether the takes agreed, which three of a real person don't always."""
        files = [("takes", ("t", data)) for data in takes]
        answer = self.http.post(f"/v1/users/{user}/enrolment", data={"nonce": self.nonce(user, "enrol")}, files=files)
        assert answer.status_code in (201, 422), answer.text
        return answer.status_code == 201

    def verify(self, user: str, clip: bytes, nonce: str) -> str:
        """How it ended: an outcome of the audit trail (the key is an administrator's), or the name of the refusal."""
        answer = self.http.post(f"/v1/users/{user}/verify", data={"nonce": nonce}, files={"clip": ("c", clip)})
        words = answer.json()
        return words["evidence"]["outcome"] if answer.status_code == 200 else words["error"]


def encoded_anew(clip: bytes, crf: int, width: int = 0, first: int = 0) -> bytes:
    """A clip decoded and encoded again, scaled to a width, its first frames left out."""
    out = io.BytesIO()
    with av.open(io.BytesIO(clip)) as source, av.open(out, "w", format="mp4") as target:
        stream = source.streams.video[0]
        wide = width or stream.width
        high = wide * stream.height // stream.width // 2 * 2
        video = target.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = wide, high, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, 1000)
        video.options = {"crf": str(crf), "preset": "fast"}
        for number, frame in enumerate(source.decode(video=0)):
            if number < first:
                continue
            scaled = frame.reformat(wide, high, format="yuv420p")
            scaled.pts, scaled.time_base = 40 * (number - first), Fraction(1, 1000)
            target.mux(video.encode(scaled))
        target.mux(video.encode(None))
    return out.getvalue()


def takes_by_motion(manifest: Path | None, attempts: int) -> list[list[bytes]]:
    """Three takes to enrol and some to verify with, for each of several motions; of the drawing by default."""
    if manifest is None:
        return [[take(seed, 0.7) for seed in range(attempts + 3)], [take(seed, 0.7) for seed in range(900, 903)]]
    read = read_manifest(manifest)
    groups: dict[tuple[str, str], list[bytes]] = {}
    for record in read.records:
        if not record.kind.is_attack and record.split in ("test", ""):
            groups.setdefault((record.subject, record.motion), []).append(read.file(record).read_bytes())
    return [takes for takes in groups.values() if len(takes) > 3]


def protocol(attempts: int, manifest: Path | None) -> str:
    """Rows of what a thief of nonces or recordings gets, and somebody who tries many at once."""
    lines = ["| attack | attempts | outcome |", "|---|---|---|"]

    def report(attack: str, outcomes: list[str]) -> None:
        counted = ", ".join(f"{name}: {count}" for name, count in Counter(outcomes).most_common())
        lines.append(f"| {attack} | {len(outcomes)} | {counted} |")
        print(lines[-1], flush=True)

    groups = takes_by_motion(manifest, attempts)
    again: dict[str, Callable[[bytes], bytes]] = {
        "the same file": lambda clip: clip,
        "without its first two frames": lambda clip: encoded_anew(clip, 0, first=2),
        "encoded anew (crf 18)": lambda clip: encoded_anew(clip, 18),
        "encoded anew (crf 28)": lambda clip: encoded_anew(clip, 28),
        "encoded anew (crf 35)": lambda clip: encoded_anew(clip, 35),
        "scaled up by half (crf 23)": lambda clip: encoded_anew(clip, 23, width=540),
        "scaled down to 3/4 (crf 23)": lambda clip: encoded_anew(clip, 23, width=270),
        "scaled down to half (crf 23)": lambda clip: encoded_anew(clip, 23, width=180),
    }
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), 1, SETTINGS) as (url, key, _):
        thief = Attacker(url, key)
        enrolled = []
        for takes in groups:
            if thief.enrol(f"user{len(enrolled)}", takes[:3]):
                enrolled.append(takes)
        groups = enrolled
        probes = [(f"user{n}", clip) for n, takes in enumerate(groups) for clip in takes[3:]]
        probes = [probes[place] for place in np.linspace(0, len(probes) - 1, min(attempts, len(probes))).astype(int)]
        honest, reused, crossed = [], [], []
        for user, clip in probes:
            nonce = thief.nonce(user)
            crossed.append(thief.verify("user1" if user == "user0" else "user0", clip, nonce))
            honest.append(thief.verify(user, clip, nonce))
            reused.append(thief.verify(user, clip, nonce))
        report("control: a new take, a new nonce", honest)
        report("a nonce that was used", reused)
        report("a nonce of another user", crossed)
        report("a nonce made up", [thief.verify("user0", groups[0][3], f"{n:032d}") for n in range(attempts)])
        accepted = [probe for probe, outcome in zip(probes, honest, strict=True) if outcome == "accepted"]
        for words, change in again.items():
            replayed = [thief.verify(user, change(clip), thief.nonce(user)) for user, clip in accepted]
            report(f"an accepted recording again: {words}", replayed)
        stolen = [(f"user{n}", clip) for n, takes in enumerate(groups) for clip in takes[:3]][:attempts]
        report("an enrolment take again", [thief.verify(user, clip, thief.nonce(user)) for user, clip in stolen])
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), 2, LOCKED) as (url, key, _):
        thief = Attacker(url, key)
        thief.enrol("user0", groups[0][:3])
        sample = (Path(__file__).parents[1] / "src/facemotion/samples/ben-wink-pout-1.mp4").read_bytes()
        strange = [encoded_anew(sample, 18, first=n % 20) for n in range(attempts)]
        nonces = [thief.nonce("user0") for _ in strange]
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(thief.verify, ["user0"] * attempts, strange, nonces))
        report("another motion, all at once, nonces got before, two processes", outcomes)
    return "\n".join(lines)


def main() -> int:
    """Run the parts, print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="NAME=MANIFEST")
    parser.add_argument("--cache", type=Path, default=Path("features"))
    parser.add_argument("--takes", type=int, default=3)
    parser.add_argument("--simulated", type=int, default=0, metavar="PEOPLE")
    parser.add_argument("--attempts", type=int, default=50)
    parser.add_argument("--recordings", type=Path, help="manifest of real takes to enrol, verify with and replay")
    parser.add_argument("--part", choices=("scores", "protocol"), default=None)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    sets = {name: Path(path) for name, _, path in (pair.partition("=") for pair in given.sets)}
    if (sets or given.simulated) and given.part != "protocol":
        table = scores(sets, given.cache, given.takes, given.simulated)
        print(table)
        if given.write:
            write_section(PAGE, "attacks", table)
    if given.part != "scores":
        table = protocol(given.attempts, given.recordings)
        if given.write:
            write_section(PAGE, "protocol", table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
