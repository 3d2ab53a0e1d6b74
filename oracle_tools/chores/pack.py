"""A clean archive of the bundle for clients that take an upload: the knowledge and nothing else."""

from __future__ import annotations

import io
import zipfile

from oracle_tools.bundle.errors import OracleError
from oracle_tools.bundle.layout import INDEX, INGEST, INGEST_AUTO, SKILL
from oracle_tools.bundle.tree import Tree, parent

SIZE_LIMIT = 30_000_000
"""Bytes that clients accept for an uploaded skill."""

_EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first date that a zip file can hold
_TOP = (SKILL, INDEX, "LICENSE")


def packed(tree: Tree) -> list[str]:
    """Return the paths that go into the archive, sorted: knowledge, notes, maps, and what SKILL.md names.

    Left out are the tools, the tests, pulled codebases, and the workspaces of ingestion and expansion.
    """
    folders = {*tree.knowledge_folders, *tree.source_folders, *tree.codebases}
    kept = [path for path in tree.entries if tree.is_file(path) and parent(path) in folders]
    ours = [path for path in kept if not tree.is_pulled(path) and "/." not in path]
    workspaces = [p for folder in (INGEST, INGEST_AUTO) for p in tree.files(folder)]
    return sorted({*(path for path in _TOP if tree.is_file(path)), *ours, *workspaces})


def pack(tree: Tree) -> bytes:
    """Return the archive of `tree` as the bytes of a zip file, below a folder that bears the skill's name.

    The same files give the same bytes, whatever their times and owners. Raises OracleError for a bundle
    without a named SKILL.md, and for one that is too large for a client.
    """
    name = tree.doc(SKILL).meta.get("name") if tree.is_file(SKILL) else None
    if not isinstance(name, str) or not name:
        raise OracleError(f"{SKILL} names no skill; give it a name first")
    if tree.root is None:
        raise OracleError("only a bundle on a disk can be packed")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in packed(tree):
            entry = zipfile.ZipInfo(f"{name}/{path}", _EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, (tree.root / path).read_bytes())
    data = out.getvalue()
    if len(data) > SIZE_LIMIT:
        raise OracleError(f"the archive has {len(data):,} bytes, over {SIZE_LIMIT:,}; split large files")
    return data
