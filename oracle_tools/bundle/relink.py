"""Keeps links alive when files go elsewhere: rewrites what names them, wherever it stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from urllib.parse import quote, unquote

from oracle_tools.bundle.edits import Edit, Move, Write
from oracle_tools.bundle.errors import OracleError, shown
from oracle_tools.bundle.layout import CONFIG_FILES, INGEST_AUTO
from oracle_tools.bundle.markdown import read
from oracle_tools.bundle.spans import CODE, LABEL, TARGET, Span, definitions, replaced, spans
from oracle_tools.bundle.tree import Tree, Unreadable, name, parent, read_text, resolve

Where = Callable[[str, str], tuple[str, str]]
"""Tells where a path and an anchor in it ("" for the whole) are to be found from now on."""

_ELSEWHERE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|[/\\]")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}|\\[-_.]")
_UNSAFE = re.compile(r"[\s()<>%#?\\\"]")
_WORD = re.compile(r"[\w./-]+")
_LINES = re.compile(r"(?::\d+(?:-\d+)?|#\S*)$")
_SPACED = re.compile(r"`([^`\n]*\s[^`\n]*)`")
_STRING = re.compile(r"\"([^\"\\\n]+)\"|'([^'\n]+)'")
_TEXTS = (".cfg", ".json", ".py", ".toml", ".txt", ".yaml", ".yml")
_SEARCHED = 1_000_000


def follow(moves: Mapping[str, str], path: str) -> str:
    """Return where `path` lies after `moves` of files and folders, old paths to new.

    >>> follow({"a": "b/c"}, "a/x.md")
    'b/c/x.md'
    """
    at = path
    while at:
        if at in moves:
            return moves[at] + path[len(at) :]
        at = parent(at)
    return path


def moved(tree: Tree, moves: Mapping[str, str]) -> list[Edit]:
    """Return the edits that carry out `moves` and rewrite what names the moved paths.

    That is every link, image and reference, on both ends; every path in inline code; paths in plans and in
    the configuration. A link keeps its manner: `./`, a trailing slash, more `..` than it needs; where the new
    place leaves no choice, it comes back in the shortest. Raises
    OracleError for a link that cannot be rewritten, and for moves in a circle.
    """
    edits: list[Edit] = list(_in_order(moves))

    def where(path: str, anchor: str) -> tuple[str, str]:
        return follow(moves, path), anchor

    return [*edits, *redirected(tree, moves, where), *_configured(tree, moves)]


def redirected(
    tree: Tree, paths: Collection[str], where: Where, besides: Collection[str] = ()
) -> list[Write]:
    """Return the writes of the documents, `besides` some, in which something leads to one of `paths`, or that
    lie at or below one, as `where` has it.
    """
    edits = []
    for path in _affected(tree, paths):
        if path not in besides:
            text, at = tree.text(path), where(path, "")[0]
            if (new := rewritten(tree, path, at, text, where)) != text:
                edits.append(Write(at, new))
    return edits


def _in_order(moves: Mapping[str, str]) -> list[Move]:
    left = {old: new for old, new in moves.items() if old != new}
    ordered = []
    while left:
        free = [old for old, new in left.items() if new not in left or new.lower() == old.lower()]
        if not free:
            raise OracleError(f"{', '.join(map(shown, left))} would change places; move one elsewhere first")
        for old in free:
            ordered.append(Move(old, left.pop(old)))
    return ordered


def _affected(tree: Tree, paths: Collection[str]) -> list[str]:
    """Return the documents at or below `paths`, or whose text may name one: most of a tree is not parsed."""
    some = re.compile("|".join(re.escape(name(path)) for path in paths))
    here = dict.fromkeys(paths, "")
    found = []
    for path in tree.documents:
        try:
            text = tree.text(path)
        except Unreadable:
            continue
        if follow(here, path) != path or some.search(text) or _ENCODED.search(text):
            found.append(path)
        else:
            tree.forget(path)
    return found


def rewritten(tree: Tree, path: str, at: str, text: str, where: Where) -> str:
    """Return `text`, all or a part of the document `path`, as it has to be when it lies at `at`.

    Raises OracleError where a link would not lead where it has to: it is in a form that is not understood.
    """
    if (quick := _quickly(tree, path, at, text, where)) is not None:
        return quick
    changes = []
    inside: list[Span] = []
    label: Span | None = None
    for span in spans(text):
        if span.kind == LABEL:
            label = span
            continue
        if span.kind == TARGET:
            new = retargeted(path, at, span.said, where)
            if label and new != span.said and label.said in _names(span.said):
                changes.append((label.start, label.end, _names(new)[_names(span.said).index(label.said)]))
            label = None
        elif span.kind == CODE and not _is_code(tree, path):
            new = _recoded(tree, path, at, span.said, where)
        else:
            continue
        inside.append(span)
        if new != span.said:
            changes.append((span.start, span.end, new))
    if path.startswith(f"{INGEST_AUTO}/"):
        changes += _planned(tree, text, inside, where)
    result = replaced(text, changes)
    whole = tree.is_file(path) and tree.text(path) == text
    before = tree.doc(path) if whole else read(text)
    after = read(result) if result != text else before
    _prove(path, at, before.links, after.links, where)
    if whole:
        tree.foresee(at, result, after)
    return result


def _quickly(tree: Tree, path: str, at: str, text: str, where: Where) -> str | None:
    """Return the same as `rewritten` for a document of plain links only, without looking where they stand;
    None where that is not plain to see.
    """
    if path.startswith(f"{INGEST_AUTO}/") or not tree.is_file(path) or tree.text(path) != text:
        return None
    doc = tree.doc(path)
    if "<" in text or any(True for _ in definitions(text)):
        return None
    changes: dict[str, str] = {}
    for facts, form in ((doc.links, "]({})"), (doc.codes, "`{}`")):
        for said in dict.fromkeys(facts):
            code = form == "`{}`"
            if code and _is_code(tree, path):
                continue
            new = _recoded(tree, path, at, said, where) if code else retargeted(path, at, said, where)
            if new == said:
                continue
            plain = form.format(said)
            if text.count(said) != facts.count(said) or text.count(plain) != facts.count(said):
                return None
            labels = zip(_names(said), _names(new), strict=True)
            if any(old != now and f"[{old}]" in text for old, now in labels):
                return None
            changes[plain] = form.format(new)
    words = (match[1] for match in _SPACED.finditer(text))  # such codes are no facts
    if not changes or any(_recoded(tree, path, at, word, where) != word for word in words):
        return None
    result = re.sub("|".join(map(re.escape, changes)), lambda match: changes[match[0]], text)
    after = read(result)
    _prove(path, at, doc.links, after.links, where)
    tree.foresee(at, result, after)
    return result


def _names(target: str) -> list[str]:
    """Return what a link to `target` is called where it bears the file's name or path: these follow it."""
    plain = _parts(target)[0]
    return [name(plain), plain]


def _is_code(tree: Tree, path: str) -> bool:
    """Say whether `path` belongs to a program: what stands in its backticks may be an example."""
    top = path.partition("/")[0]
    return top in tree.config.code or tree.is_file(f"{top}/__init__.py")


def _prove(path: str, at: str, before: Sequence[str], after: Sequence[str], where: Where) -> None:
    for said, now in zip(before, after, strict=False):
        if _expected(path, said, where) != _expected(at, now, lambda path, anchor: (path, anchor)):
            break
    else:
        if len(before) == len(after):
            return
        said = "of which there are several"
    raise OracleError(
        f"{shown(path)}: the link {shown(said)} cannot be rewritten; write it as [text](target)"
    )


def _expected(path: str, said: str, where: Where) -> tuple[str, str] | str:
    if _ELSEWHERE.match(said):
        return said
    plain, _, anchor = _parts(said)
    resolved = resolve(path, plain) if plain else path
    return said if resolved is None else where(resolved, anchor)


def _parts(target: str) -> tuple[str, str, str]:
    """Return the path of a link's target, its query with the `?`, and its anchor."""
    path, _, anchor = target.partition("#")
    path, mark, query = path.partition("?")
    return unquote(path), mark + query, unquote(anchor)


def retargeted(path: str, at: str, said: str, where: Where) -> str:
    """Return what a link of the document `path` that says `said` has to say when the document lies at `at`.

    An address, an absolute path and what leads out of the bundle stay as they are.
    """
    if _ELSEWHERE.match(said):
        return said
    raw, _, _ = _ESCAPE.sub(r"\1", said).partition("#")
    raw = raw.partition("?")[0]
    plain, query, anchor = _parts(_ESCAPE.sub(r"\1", said))
    resolved = resolve(path, plain) if plain else path
    if resolved is None:
        return said
    target, now = where(resolved, anchor)
    fragment = said[said.index("#") :] if "#" in said and now == anchor else f"#{now}" if now else ""
    if not plain:
        return query + fragment if target == at else _relative(at, target) + fragment
    if now == anchor and target == resolved and parent(at) == parent(path):
        return said
    return _relative(at, target, raw, _more(path, resolved, raw)) + query + fragment


_FORM = re.compile(r"(?P<here>(?:\./)*)(?P<ups>(?:\.\./|\.\.$)*)(?P<down>.*)", re.DOTALL)


def _shared(path: str, target: str, named: bool) -> tuple[int, int]:
    """Return how deep the folder of `path` is, and how many of its parts `target` begins with; without its
    last where it is `named`, because a link to a folder says the name, or only how far up it is.
    """
    base, parts = [part for part in parent(path).split("/") if part], target.split("/")
    common = 0
    while common < min(len(base), len(parts) - named) and base[common] == parts[common]:
        common += 1
    return len(base), common


def _more(path: str, target: str, like: str) -> int:
    """Return how many `..` the link `like` from `path` to `target` has beyond what it needs."""
    match = _FORM.match(like)
    if match is None or {".", ".."} & set(match["down"].split("/")):
        return 0
    depth, common = _shared(path, target, bool(match["down"]))
    return max(0, match["ups"].count("..") - (depth - common))


def _relative(at: str, target: str, like: str = "", more: int = 0) -> str:
    """Return the relative link from the document `at` to `target`, in the manner of the link `like`."""
    match = _FORM.match(like)
    here, named = (match["here"], bool(match["down"] or not like)) if match else ("", True)
    spelled = {unquote(piece): piece for piece in like.split("/")}
    depth, common = _shared(at, target, named)
    keep = max(0, common - more)
    down = [spelled.get(part, _spelled(part)) for part in target.split("/")[keep:] if part]
    link = "../" * (depth - keep) + "/".join(down)
    if down and like.endswith("/"):
        link += "/"
    elif link and not down and not like.endswith("/"):
        link = link.removesuffix("/")
    return f"{here}{link}" if link else "./"


def _spelled(part: str) -> str:
    return _UNSAFE.sub(lambda match: quote(match[0]), part)


def _recoded(tree: Tree, path: str, at: str, said: str, where: Where) -> str:
    """Return what an inline code says when the paths in it have moved: from the top, or from the document."""
    bare = _LINES.sub("", said)
    if not any(character.isspace() for character in bare) and bare not in tree.entries:
        here = None if _ELSEWHERE.match(bare) else resolve(path, bare)
        if here and here in tree.entries and ("/" in bare or bare.endswith(".md")):
            target = where(here, "")[0]
            if target == here and parent(at) == parent(path):
                return said
            return _relative(at, target, bare, _more(path, here, bare)) + said[len(bare) :]
    return _WORD.sub(lambda match: _renamed(tree, match[0], where), said)


def _renamed(tree: Tree, word: str, where: Where) -> str:
    """Return a word that names a path from the top, and what follows it, as it is named from now on."""
    plain = word.rstrip("/.")
    if "/" not in plain:
        return word
    return where(plain, "")[0] + word[len(plain) :]


def _planned(tree: Tree, text: str, inside: Iterable[Span], where: Where) -> list[tuple[int, int, str]]:
    """Return the changes of what a plan and its record say in plain words: the paths of their files."""
    taken = [(span.start, span.end) for span in inside]
    return [
        (match.start(), match.end(), new)
        for match in _WORD.finditer(text)
        if (new := _renamed(tree, match[0], where)) != match[0]
        and not any(match.start() < end and start < match.end() for start, end in taken)
    ]


def _configured(tree: Tree, moves: Mapping[str, str]) -> list[Edit]:
    """Return the writes of configuration files that name a moved path."""
    edits: list[Edit] = []
    for path in CONFIG_FILES:
        if not tree.is_file(path):
            continue
        text = tree.text(path)
        new = _STRING.sub(lambda match: _requoted(match, moves), text)
        if new != text:
            edits.append(Write(path, new))
    return edits


def _requoted(match: re.Match[str], moves: Mapping[str, str]) -> str:
    said = match[1] or match[2]
    return match[0].replace(said, follow(moves, said))


def mentions(tree: Tree, moves: Mapping[str, str]) -> list[str]:
    """Return the other text files that name a moved path, which nobody rewrites: tests and scripts, say."""
    wanted = [old for old, new in moves.items() if old != new]
    found = []
    for path, entry in tree.entries.items():
        if tree.root is None or not path.endswith(_TEXTS) or path in CONFIG_FILES or entry.size > _SEARCHED:
            continue
        try:
            text = read_text(tree.root / path, path)
        except Unreadable:
            continue
        if not tree.is_pulled(path) and any(
            re.search(rf"(?<![\w./-]){re.escape(old)}(?![\w-])", text) for old in wanted
        ):
            found.append(path)
    return found
