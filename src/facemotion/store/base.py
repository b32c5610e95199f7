"""What a template store does, whatever holds it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from types import TracebackType
from typing import Protocol, Self

from facemotion.errors import MissingExtraError, StoreError, UnknownUserError
from facemotion.types import Embedding, Factor, FloatArray, Template

PACKAGES = ("alembic", "cryptography", "sqlalchemy")
"""What a store needs beyond what comparing clips needs: the extra `store`."""

MISSING = "Enrolled users are kept by an extra: pip install '.[store]' in the clone."


def needs_extra() -> bool:
    """Whether a package is missing without which no store can be opened."""
    return any(find_spec(name) is None for name in PACKAGES)


def require_extra() -> None:
    """Ask for the packages of a store before one of them is imported.

    Raises:
        MissingExtraError: one isn't installed.
    """
    if needs_extra():
        raise MissingExtraError(MISSING)


@dataclass(frozen=True)
class UserSummary:
    """One enrolled user, without any vector.

    Attributes:
        user: name given by the integrator.
        takes: number of enrolment takes of each factor that the user has.
        model_ids: the network behind each factor.
        enrolled: when the oldest of the templates was first stored, UTC.
        changed: when the newest of them was last replaced, UTC.
    """

    user: str
    takes: dict[Factor, int]
    model_ids: dict[Factor, str]
    enrolled: datetime
    changed: datetime


class TemplateStore(Protocol):
    """Templates by user and factor. Names that differ only in their Unicode form belong to one user.

    Every method is atomic: a process killed inside one leaves the state before it or the state after it. All raise
    StoreFullError, StoreCorruptError or StoreUnavailableError where the medium fails.
    """

    def put(self, *templates: Template, whole: bool = False, replace: bool | None = None) -> None:
        """Store templates, all of them or none; each replaces the one of the same user and factor.

        Args:
            whole: templates that their users have of other factors are deleted.
            replace: True: their users must be enrolled already; False: they must not; None: either.
        Raises:
            StoreError: a user name that `check_user` refuses.
            UserExistsError, UnknownUserError: `replace` says otherwise; nothing is stored.
        """
        ...

    def get(self, user: str, factor: Factor) -> Template:
        """The template of a user for one factor; to compare a probe with it, `compare` is safer.

        Raises:
            UnknownUserError: the user has no template of that factor.
            StoreCorruptError: the row was altered, or belongs to another user, factor or store.
            StoreKeyError: the key that the row was written with is gone.
        """
        ...

    def compare(self, user: str, factor: Factor, probe: Embedding) -> FloatArray:
        """Cosine of a probe with each take of a user's template; the plain vectors are never restored. It takes as
        long if the user has no template, or one of another model.

        Returns:
            (K,) float32, -1..1; the same as with the vectors of `get`, to rounding (1e-6).
        Raises:
            ModelMismatchError: the probe is of another model than the template.
            UnknownUserError, StoreCorruptError, StoreKeyError: see get.
        """
        ...

    def search(self, factor: Factor, probe: Embedding, least: float = -1.0) -> Iterator[tuple[str, FloatArray]]:
        """Cosines of a probe with the takes of everybody's template of a factor, by name; see compare. Templates of
        another model than the probe's are left out. Only some rows are in memory at a time; a user deleted meanwhile
        may be missing. Without an index it takes half a millisecond a take. With one, 100,000 faces take less than two
        seconds, if few of them may reach `least`.

        Args:
            least: -1..1; users whose mean cosine with the probe is lower may be left out.
        Raises:
            StoreCorruptError, StoreKeyError: see get.
        """
        ...

    def index(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Give search codes to all faces, and to each face stored from now on. Then a search among many opens few
        templates. A killed process leaves a store that works; call again to make the missing codes.

        Args:
            progress: called with the number of codes made so far, and the number of faces that had no code.
        Returns:
            The number of codes made.
        Raises:
            StoreCorruptError, StoreKeyError: see get.
        """
        ...

    def drop_index(self) -> None:
        """Delete the search codes and make none any more."""
        ...

    def factors(self, user: str) -> tuple[Factor, ...]:
        """Factors that the user has a template of, in alphabetical order; empty for an unknown user."""
        ...

    def find(self, user: str) -> UserSummary | None:
        """What is enrolled under a name; None for an unknown user."""
        ...

    def users(self) -> list[UserSummary]:
        """Everyone enrolled, by name."""
        ...

    def delete(self, user: str) -> None:
        """Remove every row of a user and overwrite the bytes in the file. Rows of a service in the same database are
        removed too, except its audit trail.

        Raises:
            UnknownUserError: nothing is stored under that name.
        """
        ...

    def scrub(self) -> None:
        """Remove the bytes that deletions had to leave in the files because somebody was reading them.

        Raises:
            StoreUnavailableError: it still can't be done.
        """
        ...

    def revoke(self, user: str) -> None:
        """Turn a user's vectors by new secrets: whatever leaked of the old ones can't be compared with anything.

        Raises:
            UnknownUserError: nothing is stored under that name.
        """
        ...

    def rotate(self) -> None:
        """Encrypt and turn everything anew, under the newest key of the source (a key file that facemotion made gets
        a new key, and loses the old one when all is done). A process killed on the way leaves a store that opens,
        and the rotation can be run again.

        Raises:
            StoreKeyError: the source holds no newer key.
        """
        ...

    @property
    def schema_version(self) -> str:
        """Revision of the tables, as Alembic names it."""
        ...

    def close(self) -> None:
        """Let go of all connections; closing twice does no harm."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def check_user(user: str) -> str:
    """The name as it is stored: 1 to 128 printable characters, no space at either end, in Unicode's form NFC.

    "Zoë" is three characters as most keyboards give it, four in the file names of macOS, and one user.

    Raises:
        StoreError: it can't be stored; control characters and look-alike spaces would let two names look the same in a
            log.
    """
    name = unicodedata.normalize("NFC", user) if isinstance(user, str) else ""
    if not 1 <= len(name) <= 128 or not name.isprintable() or name != name.strip():
        raise StoreError("Give a user name of 1 to 128 printable characters without spaces at its ends.")
    return name


def name_forms(user: str) -> tuple[str, ...]:
    """The forms in which rows may hold a name, the one that `check_user` gives first; earlier versions kept names as
    they came.
    """
    composed = unicodedata.normalize("NFC", user)
    return tuple(dict.fromkeys((composed, unicodedata.normalize("NFD", user), user)))


def unknown_user(user: str, factor: Factor, place: str = "") -> UnknownUserError:
    """What to raise where a user has no template of a factor.

    Args:
        place: name of the store, for whoever may know it; the service tells nobody.
    """
    where = f" in {place}" if place else ""
    return UnknownUserError(f"There is no {factor} template of user {user!r}{where}; enrol first.")
