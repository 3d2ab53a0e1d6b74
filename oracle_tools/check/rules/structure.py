"""S: the files and folders that make a tree an oracle, and names that every machine can hold."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from oracle_tools.bundle.layout import INDEX, REQUIRED_FILES, SKILL
from oracle_tools.bundle.tree import FOLDER, LINK, Tree, name, parent
from oracle_tools.check.rule import Problem, Severity, tree_rule
from oracle_tools.chores.index import index

_WINDOWS_RESERVED = {"con", "prn", "aux", "nul"} | {f"{p}{n}" for p in ("com", "lpt") for n in range(1, 10)}
_WINDOWS_ILLEGAL = set('<>:"|?*\\')
_PATH_LIMIT = 200
_NAME_LIMIT = 255


@tree_rule("S001", "missing-file", fixable=True)
def missing_file(tree: Tree) -> Iterator[Problem]:
    """A file that every oracle has is missing.

    Clients and people start from these: SKILL.md, INDEX.md, `_ingest/README.md`, `_ingest-auto/README.md`.

    Bad: a tree without SKILL.md
    Good: all four, each with its own text
    """
    made = {edit.path: edit for edit in index(tree) if edit.new}
    for path in REQUIRED_FILES:
        if not tree.is_file(path):
            fix = (made[path],) if path in made else ()
            yield Problem(path, f"missing; every oracle has {path}", fix=fix)


@tree_rule("S002", "missing-folder")
def missing_folder(tree: Tree) -> Iterator[Problem]:
    """A folder that the configuration requires is missing.

    A dual oracle is dual only while both sides are there.

    Bad: `required = ["source-documents/deepseek"]` and no such folder
    Good: the folder is there, or the configuration no longer asks for it
    """
    for path in tree.config.required:
        plain = path.rstrip("/")
        if not tree.is_folder(plain):
            yield Problem(plain, "missing folder; make it, or take it out of required")


@tree_rule("S003", "stray-root-document", Severity.WARNING)
def stray_root_document(tree: Tree) -> Iterator[Problem]:
    """A Markdown file at the top belongs into a folder.

    Only SKILL.md, INDEX.md and the documents about the project stand at the top; knowledge that lies
    there is in no index.

    Bad: `attention-notes.md`
    Good: `karpathy/gpt-architecture/01-self-attention.md`
    """
    for path in tree.files(""):
        about = tree.is_exempt(path)
        # Of an index in lower case lowercase-index says more.
        if path != SKILL and path.lower() != INDEX.lower() and not about:
            yield Problem(path, "does not belong at the top; move it into a knowledge folder")


@tree_rule("S004", "unreadable-file")
def unreadable_file(tree: Tree) -> Iterator[Problem]:
    """A file or folder cannot be read.

    What cannot be read is neither checked nor served.

    Bad: a file saved as Latin-1, or without read permission
    Good: UTF-8, readable
    """
    for path in tree.documents:
        doc = tree.doc(path)
        if doc.unreadable:
            yield Problem(path, doc.problem.partition(": ")[2])
    for path, entry in tree.entries.items():
        if entry.kind == FOLDER and entry.target:
            yield Problem(path, f"{entry.target}; check its permissions")


@tree_rule("S005", "case-collision")
def case_collision(tree: Tree) -> Iterator[Problem]:
    """Two names differ only in the case of letters.

    On macOS and Windows one of them silently replaces the other at checkout.

    Bad: `INDEX.md` beside `Index.md`
    Good: one of them, or two names that differ in more
    """
    first: dict[str, str] = {}
    for path in tree.entries:
        if tree.is_pulled(path):
            continue
        other = first.setdefault(path.casefold(), path)
        if other != path and parent(other) == parent(path):
            yield Problem(path, f"differs from {name(other)} only in case; rename one of them")


@tree_rule("S006", "unportable-name", Severity.WARNING)
def unportable_name(tree: Tree) -> Iterator[Problem]:
    """A name that some file systems cannot hold.

    Windows refuses some characters, names and endings; long paths fail in clones and archives.

    Bad: `what-is-mla?.md`, `aux.md`, a name with a line break
    Good: `01-what-is-mla.md`
    """
    for path in tree.entries:
        if tree.is_pulled(path):
            continue
        reason = _unportable(name(path))
        if reason is None and len(path) > _PATH_LIMIT and len(parent(path)) <= _PATH_LIMIT:
            reason = f"makes a path of {len(path)} characters, over {_PATH_LIMIT}"
        if reason:
            yield Problem(path, f"{reason}; rename it")


def _unportable(item: str) -> str | None:
    refused = next((c for c in item if c in _WINDOWS_ILLEGAL), "")
    if refused:
        return f"has {refused}, which Windows refuses"
    unseen = next((c for c in item if not c.isprintable()), "")
    if unseen:
        return f"has U+{ord(unseen):04X}, which cannot be shown"
    if item.endswith((".", " ")):
        return "ends with a dot or a space, which Windows drops"
    if item.partition(".")[0].lower() in _WINDOWS_RESERVED:
        return "is a device on Windows"
    if len(item.encode("utf-8", "surrogatepass")) > _NAME_LIMIT:
        return f"is longer than {_NAME_LIMIT} bytes"
    return None


@tree_rule("S007", "symlink", Severity.WARNING)
def symlink(tree: Tree) -> Iterator[Problem]:
    """A symbolic link lies in the bundle.

    Claude Code's scoped read permission fails behind one, and Windows and archives do not carry it.

    Bad: `deepseek/latest -> codebases`
    Good: the file itself, or a Markdown link to it
    """
    for path, target in _links(tree):
        if not _escapes(path, target):
            yield Problem(path, f"is a symbolic link to {target}; put the file itself there")


@tree_rule("S008", "escaping-symlink")
def escaping_symlink(tree: Tree) -> Iterator[Problem]:
    """A symbolic link leads out of the bundle.

    Elsewhere it leads to nothing, or to what somebody wanted read.

    Bad: `karpathy/notes -> ../../private`
    Good: no link
    """
    for path, target in _links(tree):
        if _escapes(path, target):
            yield Problem(path, f"is a symbolic link out of the bundle, to {target}; remove it")


def _links(tree: Tree) -> Iterator[tuple[str, str]]:
    for path, entry in tree.entries.items():
        if entry.kind == LINK and not tree.is_pulled(path):
            yield path, entry.target


def _escapes(path: str, target: str) -> bool:
    if target.startswith("/") or "\\" in target:
        return True
    return posixpath.normpath(posixpath.join(parent(path), target)).startswith("..")
