"""What a row of the store looks like to someone who steals it.

Three layers, each for its own thief (docs/reference/store.md tells the threat model in plain words):

1. every take is turned by an orthogonal matrix of its own, drawn from a secret and the row's random salt. Cosines are
   unchanged by it, so a probe turned the same way is compared without the stored vector ever being turned back. A new
   salt makes a leaked vector worthless for comparison, and two stores share nothing that could be matched;
2. the turned vectors are encrypted with AES-256-GCM under a key of the row's own;
3. everything else in the row (whose it is, which factor and model, when) is authenticated with them, so that no row
   can be moved to another user, factor or store.

Sources: AES-GCM, NIST SP 800-38D; HKDF, RFC 5869; random orthogonal matrices from Householder reflections, Stewart,
SIAM J. Numer. Anal. 17 (1980); cancelable templates, ISO/IEC 24745.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from facemotion.errors import ModelMismatchError, StoreCorruptError
from facemotion.store.keys import KEY_BYTES, KeySource
from facemotion.types import Embedding, FloatArray, Template

ROW_ID_BYTES = 16
SALT_BYTES = 32
NONCE_BYTES = 12
"""Of AES-GCM; a payload begins with it."""
MOST_ENTRIES = 2**20
"""Entries of matrices that are in memory at a time, 8 MiB."""


@dataclass(frozen=True)
class Label:
    """All of a row that isn't encrypted; every field is authenticated with the vectors.

    Attributes:
        row_id: random, new with every writing of the row.
        salt: SALT_BYTES random bytes, new with every writing of the row.
        key_id, transform_id: ids of the keys that encrypt and that turn.
        enrolled, changed: UTC, without a zone.
    """

    row_id: str
    user: str
    factor: str
    model_id: str
    takes: int
    dimension: int
    key_id: str
    transform_id: str
    salt: bytes
    enrolled: datetime
    changed: datetime

    def bytes_to_bind(self, store_id: str) -> bytes:
        """One unambiguous text of all fields, and of the store that the row belongs to."""
        values = asdict(self) | {"salt": self.salt.hex(), "enrolled": str(self.enrolled), "changed": str(self.changed)}
        return json.dumps(["facemotion template 1", store_id, *values.items()]).encode()


_KINDS: dict[str, type] = {
    **dict.fromkeys(("row_id", "user", "factor", "model_id", "key_id", "transform_id"), str),
    **dict.fromkeys(("takes", "dimension"), int),
    **dict.fromkeys(("salt", "payload"), bytes),
    **dict.fromkeys(("enrolled", "changed"), datetime),
}


class Protector:
    """Turns and encrypts templates of one store, and back.

    Args:
        store_id: of the store.
        key: source of the keys that encrypt.
        transform_key: source of the keys that turn; may be the same source.
    """

    def __init__(self, store_id: str, key: KeySource, transform_key: KeySource) -> None:
        self.store_id = store_id
        self.key = key
        self.transform_key = transform_key

    def seal(
        self, template: Template, key_id: str, transform_id: str, enrolled: datetime, changed: datetime
    ) -> dict[str, Any]:
        """The columns of a row for a template.

        Raises:
            StoreKeyError: a source doesn't hold the key of that id.
        """
        takes, dimension = template.vectors.shape
        label = Label(
            row_id=secrets.token_hex(ROW_ID_BYTES),
            user=template.user,
            factor=template.factor,
            model_id=template.model_id,
            takes=takes,
            dimension=dimension,
            key_id=key_id,
            transform_id=transform_id,
            salt=secrets.token_bytes(SALT_BYTES),
            enrolled=enrolled,
            changed=changed,
        )
        turned = turn_each(template.vectors, self._secrets(label))
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._cipher(label).encrypt(nonce, turned.astype("<f4").tobytes(), label.bytes_to_bind(self.store_id))
        return asdict(label) | {"payload": nonce + sealed}

    def restore(self, row: dict[str, Any]) -> Template:
        """The template of a row, turned back.

        Raises:
            StoreKeyError: a source doesn't hold the row's key.
            StoreCorruptError: the row was altered, or belongs to another user, factor or store.
        """
        label, turned = self._open(row)
        vectors = turn_back_each(turned, self._secrets(label))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Template(label.user, label.factor, vectors.astype(np.float32), label.model_id)  # type: ignore[arg-type]

    def check(self, row: dict[str, Any]) -> None:
        """Decrypt a row, and turn nothing back.

        Raises:
            StoreKeyError, StoreCorruptError: see restore.
        """
        self._open(row)

    def compare(self, row: dict[str, Any], probe: Embedding) -> FloatArray:
        """Cosine of a probe with every take of a row, found without turning the takes back.

        Returns:
            (K,) float32, -1..1.
        Raises:
            ModelMismatchError: the probe is of another model.
            StoreKeyError, StoreCorruptError: see restore.
        """
        return self.compare_all([row], probe)[0]

    def compare_all(self, rows: Sequence[dict[str, Any]], probe: Embedding) -> list[FloatArray]:
        """`compare` of a probe with several rows, whose takes are gone through side by side."""
        labels, turned, seeds = [], [], []
        for row in rows:
            label, takes = self._open(row)
            if probe.model_id != label.model_id:
                raise ModelMismatchError(
                    f"User {label.user!r} enrolled with {label.model_id}, the probe is of {probe.model_id}; enrol "
                    "again."
                )
            labels.append(label)
            turned.append(takes)
            seeds += self._secrets(label)
        if not rows:
            return []
        cosines = np.einsum("ne,ne->n", np.concatenate(turned), turn_each(probe.vector[None], seeds))
        ends = np.cumsum([label.takes for label in labels])
        return np.split(np.clip(cosines.astype(np.float32), -1, 1), ends[:-1])

    def _open(self, row: dict[str, Any]) -> tuple[Label, NDArray[np.float64]]:
        altered = StoreCorruptError(
            f"The {row['factor']} template of user {row['user']!r} was altered; delete the user and enrol again."
        )
        label = Label(**{name: value for name, value in row.items() if name != "payload"})
        # SQLite keeps whatever type a damaged row claims to hold.
        if not all(isinstance(row[name], kind) for name, kind in _KINDS.items()):
            raise altered
        nonce, sealed = row["payload"][:NONCE_BYTES], row["payload"][NONCE_BYTES:]
        try:
            plain = self._cipher(label).decrypt(nonce, sealed, label.bytes_to_bind(self.store_id))
        except (InvalidTag, ValueError) as error:
            raise altered from error
        return label, np.frombuffer(plain, "<f4").reshape(label.takes, label.dimension).astype(np.float64)

    def _cipher(self, label: Label) -> AESGCM:
        return AESGCM(derive(self.key.find(label.key_id), label.salt, "template encryption"))

    def _secrets(self, label: Label) -> list[bytes]:
        master = self.transform_key.find(label.transform_id)
        return [derive(master, label.salt, f"transform {label.factor} {take}") for take in range(label.takes)]


def derive(master: bytes, salt: bytes, purpose: str) -> bytes:
    """A key of KEY_BYTES for one purpose, from a secret."""
    return HKDF(SHA256(), KEY_BYTES, salt, b"facemotion " + purpose.encode()).derive(master)


def turn_each(vectors: FloatArray, seeds: Sequence[bytes]) -> NDArray[np.float64]:
    """Vectors, each times the orthogonal matrix of a secret of its own: side by side, which takes 0.6 of the time.

    Args:
        vectors: (N, E) float, or (1, E) for one vector by N matrices.
        seeds: N secrets of 32 bytes.
    Returns:
        (N, E) float64 of the same norms; a matrix is uniform (Haar) over all orthogonal E x E matrices.
    """
    dimension = vectors.shape[1]
    turned = np.repeat(vectors.astype(np.float64), len(seeds) // len(vectors), axis=0)
    for part in _blocks(len(seeds), dimension):
        reflectors, signs = _reflections(seeds[part], dimension)
        for number in range(dimension):
            _reflect(turned[part, number:], reflectors[:, number, number:])
        turned[part] *= signs
    return turned


def turn_back_each(vectors: NDArray[np.float64], seeds: Sequence[bytes]) -> NDArray[np.float64]:
    """The inverse of `turn_each`, for (N, E) vectors, to rounding (1e-12)."""
    dimension = vectors.shape[1]
    back = vectors.astype(np.float64)
    for part in _blocks(len(seeds), dimension):
        reflectors, signs = _reflections(seeds[part], dimension)
        back[part] *= signs
        for number in range(dimension - 1, -1, -1):
            _reflect(back[part, number:], reflectors[:, number, number:])
    return back


def turning(secret: bytes, dimension: int) -> NDArray[np.float64]:
    """The (E, E) float64 matrix of a secret, by which `turn_each` multiplies."""
    reflectors, signs = _reflections([secret], dimension)
    matrix = np.eye(dimension)
    for number, reflector in enumerate(reflectors[0]):
        matrix[number:] -= np.outer(2 * reflector[number:], reflector[number:] @ matrix[number:])
    matrix *= signs[0][:, None]
    return matrix


def _blocks(count: int, dimension: int) -> Iterator[slice]:
    """So many at a time that their matrices stay within MOST_ENTRIES."""
    size = max(1, MOST_ENTRIES // dimension**2)
    for start in range(0, count, size):
        yield slice(start, start + size)


def _reflect(vectors: NDArray[np.float64], reflectors: NDArray[np.float64]) -> None:
    """Mirror vectors (N, M), in place, each at the plane with the unit normal (N, M) of the same row."""
    vectors -= 2 * np.einsum("nm,nm->n", reflectors, vectors)[:, None] * reflectors


def _reflections(seeds: Sequence[bytes], dimension: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Stewart's construction: reflection k leaves the first k coordinates alone, and carries a Gaussian vector of the
    others to their first axis; then signs. For each secret (E, E) unit normals of the mirrors, row by row, and (E,)
    signs.
    """
    mirrors = np.zeros((len(seeds), dimension, dimension))
    rows, columns = np.triu_indices(dimension)
    for mirror, seed in zip(mirrors, seeds, strict=True):
        mirror[rows, columns] = _gaussian(seed, len(rows))
    axis = np.arange(dimension)
    signs = np.where(mirrors[:, axis, axis] > 0, -1.0, 1.0)
    mirrors[:, axis, axis] -= signs * np.linalg.norm(mirrors, axis=2)
    mirrors /= np.linalg.norm(mirrors, axis=2, keepdims=True)
    return mirrors, signs


def _gaussian(secret: bytes, count: int) -> NDArray[np.float64]:
    """Normal deviates from the AES-CTR stream of a secret (Box and Muller); the same on every machine, for ever, which
    no library promises of its own generator.
    """
    pairs = (count + 1) // 2
    stream = Cipher(algorithms.AES(secret), modes.CTR(bytes(16))).encryptor().update(bytes(16 * pairs))
    uniform = ((np.frombuffer(stream, "<u8") >> np.uint64(11)) + 0.5) / 2**53
    radius, angle = np.sqrt(-2 * np.log(uniform[:pairs])), 2 * np.pi * uniform[pairs:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
