"""Pins of codebases: what INDEX.md says of a repository, and whether the copy beside it is that one.

A pull leaves a record beside the copy: every entry of the commit's tree with mode, hash and where it lies.
The record is believed only as far as it hashes to the pin's tree; then each file is compared with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.gitsource import COMMIT
from oracle_tools.bundle.layout import INDEX
from oracle_tools.bundle.tree import Tree, name

RECORD = ".oracle-pull.json"

ABSENT, PRESENT, MODIFIED, STALE = "absent", "present", "modified", "stale"
"""States of a copy: not there, the pinned one, changed since, of another commit than the pin's."""

_ADDRESS_END = re.compile(r"([\w.-]+)[/:]([\w.-]+?)(?:\.git)?/?$")
_NUMBER = re.compile(r"\d+-")

_Folder = dict[bytes, "tuple[str, str] | _Folder"]


class Pin(NamedTuple):
    """A codebase's folder in the bundle, and what its INDEX.md says."""

    folder: str
    upstream: str
    commit: str
    tree: str
    license: str
    retrieved: str

    @property
    def name(self) -> str:
        """The folder's own name, `NN-name`."""
        return name(self.folder)

    @property
    def owner_and_name(self) -> tuple[str, str]:
        """The last two parts of the address: who publishes the repository, and under which name."""
        match = _ADDRESS_END.search(self.upstream)
        return (match[1].rpartition("/")[2], match[2]) if match else ("", "")


class Stored(NamedTuple):
    """One entry of a pulled tree: git's mode and hash, its path upstream, and where it lies in the copy;
    `why` says why it does not ("" where it does, or where it is only worth a remark).
    """

    mode: str
    oid: str
    path: str
    where: str
    why: str = ""


def pins(tree: Tree) -> list[Pin]:
    """Return the pins of all codebases whose INDEX.md has a whole commit and tree hash, in their order."""
    found = []
    for folder in tree.codebases:
        path = f"{folder}/{INDEX}"
        if tree.is_file(path):
            meta = tree.doc(path).meta
            values = [str(meta.get(k) or "") for k in ("upstream", "commit", "tree", "license", "retrieved")]
            if COMMIT.fullmatch(values[1]) and COMMIT.fullmatch(values[2]):
                found.append(Pin(folder, *values))
    return found


def chosen(every: Sequence[Pin], words: Sequence[str]) -> list[Pin]:
    """Return the pins that `words` name: a folder or its end (`00-nanoGPT`, `nanoGPT`), or `owner/name`.

    Letter case does not matter. Raises OracleError for a word that names no pin, or several.
    """
    found: dict[str, Pin] = {}
    for word in words:
        wanted = word.strip("/").casefold()
        matches = [pin for pin in every if wanted in _names(pin)]
        if not matches:
            raise OracleError(f"no pinned codebase {shown(word)}; oracle source list names them")
        if len(matches) > 1:
            folders = ", ".join(pin.folder for pin in matches)
            raise OracleError(f"{shown(word)} names several: {folders}; give the folder")
        found[matches[0].folder] = matches[0]
    return list(found.values())


def _names(pin: Pin) -> set[str]:
    owner, repository = pin.owner_and_name
    parts = pin.folder.split("/")
    ends = ["/".join(parts[n:]) for n in range(len(parts))]
    plain = _NUMBER.sub("", pin.name, count=1)
    return {word.casefold() for word in (*ends, plain, repository, f"{owner}/{repository}")}


def blob_hash(data: bytes) -> str:
    """Return git's hash of a blob with these bytes."""
    digest = hashlib.sha1(b"blob %d\0" % len(data), usedforsecurity=False)
    digest.update(data)
    return digest.hexdigest()


def tree_hash(entries: Iterable[tuple[str, str, str]]) -> str:
    """Return git's hash of the tree with these entries: mode, hash and path of each file.

    A tree is the sorted list of its children, a folder being sorted as if its name ended with a slash
    (git's `base_name_compare`).
    """
    root: _Folder = {}
    for mode, oid, path in entries:
        *folders, last = os.fsencode(path).split(b"/")
        here = root
        for folder in folders:
            inside = here.setdefault(folder, {})
            if not isinstance(inside, dict):
                raise OracleError(f"{shown(path)}: lies below a file")
            here = inside
        here[last] = (mode, oid)
    return _hashed(root)


def _hashed(folder: _Folder) -> str:
    rows = []
    for child, value in folder.items():
        if isinstance(value, dict):
            rows.append((child + b"/", b"40000 " + child + b"\0" + bytes.fromhex(_hashed(value))))
        else:
            mode, oid = value
            rows.append((child, f"{mode} ".encode() + child + b"\0" + bytes.fromhex(oid)))
    data = b"".join(row for _, row in sorted(rows))
    return hashlib.sha1(b"tree %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def read_record(folder: Path) -> tuple[str, list[Stored]]:
    """Return the commit that was pulled into `folder` and its entries; nothing where there is no record."""
    try:
        table = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return str(table["commit"]), [Stored(*row) for row in table["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return "", []


def write_record(folder: Path, commit: str, files: Sequence[Stored]) -> None:
    """Write the record of a pull beside its files."""
    table = {"commit": commit, "files": files}
    (folder / RECORD).write_text(json.dumps(table), encoding="utf-8", newline="\n")


class Verdict(NamedTuple):
    """What a look at a copy gave: its state, the tree hash of what is there, and what differs from the pin,
    a line for each file.
    """

    state: str
    tree: str
    differences: list[str]


def verdict(root: Path, pin: Pin) -> Verdict:
    """Compare the copy of `pin` on the disk below `root` with the pin: every file is read and hashed."""
    folder = root / pin.folder
    there = {where: (mode, oid) for mode, oid, where in _present(folder)}
    commit, record = read_record(folder)
    if not there and not commit:
        return Verdict(ABSENT, "", [])
    if commit and commit != pin.commit:
        return Verdict(
            STALE, "", [f"is a copy of {commit[:12]}, the pin is {pin.commit[:12]}; pull it again"]
        )
    upstream = {entry.where: entry.path for entry in record if entry.where}
    left_out = [(entry.mode, entry.oid, entry.path) for entry in record if not entry.where]
    found = [(mode, oid, upstream.get(where, _guessed(where))) for where, (mode, oid) in there.items()]
    try:
        whole = tree_hash([*found, *left_out])
    except OracleError as error:
        return Verdict(MODIFIED, "", [str(error)])
    if whole == pin.tree:
        return Verdict(PRESENT, whole, [])
    if not record or tree_hash(entry[:3] for entry in record) != pin.tree:
        return Verdict(MODIFIED, whole, ["the record of the pull is not that of the pin; pull it again"])
    return Verdict(MODIFIED, whole, list(_differences(record, there)))


def is_untouched(root: Path, pin: Pin) -> bool:
    """Say whether the copy of `pin` is as a pull left it, of whichever commit that was."""
    folder = root / pin.folder
    record = {(entry.mode, entry.oid, entry.where) for entry in read_record(folder)[1] if entry.where}
    return record == set(_present(folder))


def _differences(record: Sequence[Stored], there: dict[str, tuple[str, str]]) -> Iterator[str]:
    known = {entry.where: entry for entry in record if entry.where}
    for where in sorted(known.keys() | there.keys()):
        if where not in there:
            yield f"{shown(where)}: missing"
        elif where not in known:
            yield f"{shown(where)}: added"
        elif there[where][1] != known[where].oid:
            yield f"{shown(where)}: changed"
        elif there[where][0] != known[where].mode:
            yield f"{shown(where)}: mode is {there[where][0]}, was {known[where].mode}"


def _guessed(where: str) -> str:
    return where.replace("INDEX.upstream.md", INDEX, 1) if where == "INDEX.upstream.md" else where


def _present(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield mode, hash and path of every file and link in the copy at `folder`, ours left out."""
    stack = [""]
    while stack:
        inside = stack.pop()
        try:
            listed = list(os.scandir(folder / inside))
        except OSError:
            continue
        for item in listed:
            path = f"{inside}/{item.name}" if inside else item.name
            if path in (INDEX, RECORD):
                continue
            if item.is_symlink():
                yield "120000", blob_hash(os.fsencode(Path(item.path).readlink())), path
            elif item.is_dir():
                stack.append(path)
            elif item.is_file():
                mode = "100755" if item.stat().st_mode & stat.S_IXUSR else "100644"
                yield mode, blob_hash(Path(item.path).read_bytes()), path
