"""Turns a file from anywhere into Markdown, in a process of its own with little time and memory.

Run as a module it is that process: the file comes on standard input, the answer leaves as JSON. It sets its
limits before it reads anything, and opens no connection, no program and no file for writing.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from oracle_tools.bundle import captions, hostile
from oracle_tools.bundle.markdown import read

FILE_LIMIT = 20 * 2**20
"""Bytes of a file."""
MEMBER_LIMIT = 2_000
"""Files in a DOCX or EPUB."""
EXPANDED_LIMIT = 100 * 2**20
"""Bytes of them all, unpacked."""
RATIO_LIMIT = 200
"""How many times larger than packed they may be, where that is over RATIO_FROM bytes."""
RATIO_FROM = 2**20
PAGE_LIMIT = 600
"""Pages of a PDF."""
TEXT_LIMIT = 2 * 2**20
"""Bytes of the converted text."""
TIME_LIMIT = 120.0
"""Seconds."""
MEMORY_LIMIT = 1536 * 2**20
"""Bytes of memory, where the system can limit it."""

OWN = {".md": "Markdown", ".markdown": "Markdown", ".txt": "text", ".vtt": "captions", ".srt": "captions"}
FOREIGN = {
    ".html": "HTML", ".htm": "HTML", ".xhtml": "HTML", ".pdf": "PDF", ".epub": "EPUB", ".docx": "DOCX",
    ".ipynb": "notebook",
}  # fmt: skip
"""What markitdown converts."""
KINDS = {**OWN, **FOREIGN}

PACKAGE = "'markitdown[pdf,docx]>=0.1'"
MISSING = (
    f"markitdown is not installed; {sys.executable} -m pip install {PACKAGE}, "
    f"or with uv: uv pip install --python {sys.executable} {PACKAGE}"
)

_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w-]+)|<\?xml[^>]{0,100}encoding=[\"']([\w-]+)"
)
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"),
         (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # fmt: skip
_RULES = re.compile(r"([^{}]+)\{([^{}]*)\}")
_AT_RULES = re.compile(r"@[^{};]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")
_FORBIDDEN = tuple(
    "socket. subprocess. urllib. shutil. os.system os.exec os.fork os.posix_spawn os.remove os.rename".split()
)
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


class Refused(Exception):
    """A file that is not converted; the text says why, in a few words."""


class Converted(NamedTuple):
    """A file's text as clean Markdown, the title it gives itself, what converted it, and what was done."""

    text: str
    title: str
    converter: str
    notes: list[str]


def kind_of(name: str) -> str:
    """Return the kind of a file by its name; "" for one that cannot be taken in."""
    return KINDS.get(Path(name).suffix.lower(), "")


def convert(name: str, data: bytes, time_limit: float = TIME_LIMIT) -> Converted:
    """Return `data`, the file called `name`, as Markdown. Raises Refused with the reason."""
    suffix = Path(name).suffix.lower()
    if not kind_of(name):
        raise Refused(f"no kind that can be taken in; there are {', '.join(sorted(KINDS))}")
    if len(data) > FILE_LIMIT:
        raise Refused(f"larger than {FILE_LIMIT // 2**20} MiB")
    package = str(Path(__file__).resolve().parents[2])
    environment = {key: value for key, value in os.environ.items() if not key.upper().endswith("_PROXY")}
    environment["PYTHONPATH"] = os.pathsep.join([package, *filter(None, [environment.get("PYTHONPATH")])])
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "oracle_tools.bundle.convert", suffix, str(int(time_limit) + 1)],
            input=data,
            capture_output=True,
            timeout=time_limit,
            env={**environment, "PYTHONUTF8": "1"},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Refused(f"the conversion took over {time_limit:g} s") from error
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise Refused(f"the conversion died (code {done.returncode}), of too much time or memory") from error
    if "refused" in answer:
        raise Refused(str(answer["refused"]))
    return Converted(**answer)


def decoded(data: bytes, notes: list[str], charset: str = "") -> str:
    """Return `data` as text: by its byte order mark, as UTF-8, by `charset`, or as Windows-1252.

    A decoding that had to be guessed is noted.
    """
    marked = next((encoding for mark, encoding in _BOMS if data.startswith(mark)), "")
    for encoding in filter(None, (marked, "utf-8", charset)):
        try:
            return data.decode(encoding).removeprefix("\ufeff")
        except (UnicodeDecodeError, LookupError):
            continue
    if b"\0" in data:
        raise Refused("binary data, not text")
    notes.append("not UTF-8: decoded as Windows-1252")
    return data.decode("cp1252", "replace")


# In the process of its own


def _converted(suffix: str, data: bytes) -> Converted:
    counts: Counter[str] = Counter()
    notes: list[str] = []
    title, converter = "", f"oracle {_version()}"
    if suffix in FOREIGN:
        try:
            from importlib.metadata import version

            converter = f"markitdown {version('markitdown')}"
            import markitdown.converters  # noqa: F401
        except ImportError as error:
            raise Refused(MISSING) from error
        _forbid()
        text, title = _foreign(suffix, data, counts, notes)
    elif KINDS[suffix] == "captions":
        text = captions.paragraphs(hostile.visible(decoded(data, notes), counts))
    else:
        text = decoded(data, notes)
        title = str(read(text).meta.get("title") or "")
    if len(text.encode("utf-8", "replace")) > TEXT_LIMIT:
        raise Refused(f"its text is larger than {TEXT_LIMIT // 2**20} MiB")
    first = read("\n" + hostile.visible(text, Counter())).title if KINDS[suffix] != "captions" else ""
    text = hostile.cleaned(text, counts, markup=KINDS[suffix] in ("Markdown", "notebook"))
    if not text.strip():
        raise Refused("there is no text in it")
    notes += [f"{what}: {count}" for what, count in counts.items() if count]
    return Converted(text, hostile.visible(str(title or first), Counter())[:300], converter, notes)


def _version() -> str:
    from oracle_tools import __version__

    return __version__


def _foreign(suffix: str, data: bytes, counts: Counter[str], notes: list[str]) -> tuple[str, str]:
    """Return the Markdown and the title that markitdown's converter of just this kind makes."""
    from markitdown import StreamInfo
    from markitdown.converters import (
        DocxConverter,
        EpubConverter,
        HtmlConverter,
        IpynbConverter,
        PdfConverter,
    )

    kind = FOREIGN[suffix]
    converter: Any = {
        "HTML": HtmlConverter, "PDF": PdfConverter, "EPUB": EpubConverter, "DOCX": DocxConverter,
        "notebook": IpynbConverter,
    }[kind]()  # fmt: skip
    if kind == "HTML":
        data, suffix = _shown(data, counts, notes), ".html"
    elif kind in ("DOCX", "EPUB"):
        data = _archive(data, kind, counts, notes)
    elif kind == "PDF":
        _count_pages(data)
    result = converter.convert(BytesIO(data), StreamInfo(extension=suffix, charset="utf-8"))
    text = str(result.markdown)
    return _joined(text) if kind == "PDF" else text, str(result.title or "")


def _joined(text: str) -> str:
    """Return the text of a PDF with the lines of a paragraph on one line, as Markdown shows them anyway."""
    blocks = re.split(r"\n\s*\n", text.replace("\f", "\n\n"))
    return "\n\n".join(block if "|" in block else " ".join(block.split()) for block in blocks)


def _shown(data: bytes, counts: Counter[str], notes: list[str]) -> bytes:
    """Return HTML without what runs, what is embedded, and what a reader would not see."""
    from bs4 import BeautifulSoup, Comment

    named = _CHARSET.search(data[:4096])
    charset = (named[1] or named[2]).decode() if named else ""
    soup = BeautifulSoup(decoded(data, notes, charset), "html.parser")
    hiding = [
        selector.strip()
        for style in soup.find_all("style")
        for selector, rule in _RULES.findall(_AT_RULES.sub("", style.get_text()))
        if hostile.is_hiding(rule)
    ]
    hidden = [tag for tag in soup.find_all(True) if _is_hidden(tag.attrs)]
    for selector in hiding:
        try:
            hidden += soup.select(selector)
        except Exception:  # whatever the selector library does not know
            notes.append("a style that hides could not be read")
    hidden = [tag for tag in hidden if tag.name not in ("html", "body")]
    comments = soup.find_all(string=lambda string: isinstance(string, Comment))
    for what, found in (
        (hostile.HIDDEN_ELEMENTS, hidden),
        (hostile.SCRIPTS, soup.find_all(hostile.DROPPED)),
        (hostile.COMMENTS, comments),
    ):
        for element in found:
            if not getattr(element, "decomposed", False):
                counts[what] += 1
                element.extract() if isinstance(element, Comment) else element.decompose()
    return str(soup).encode("utf-8", "replace")


def _is_hidden(attributes: Any) -> bool:
    style = str(attributes.get("style", ""))
    aria = str(attributes.get("aria-hidden", "")).lower()
    return "hidden" in attributes or aria == "true" or hostile.is_hiding(style)


def _archive(data: bytes, kind: str, counts: Counter[str], notes: list[str]) -> bytes:
    """Return a DOCX or EPUB without its hidden text, its limits held before any of it is unpacked."""
    import zipfile

    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members = archive.infolist()
            _measure(members, len(data))
            out = BytesIO()
            with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as copy:
                for member in members:
                    content = archive.read(member)
                    copy.writestr(member.filename, _member(member.filename, content, kind, counts, notes))
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise Refused(f"not a sound {kind} ({error})") from error
    return out.getvalue()


def _measure(members: list[Any], packed: int) -> None:
    if len(members) > MEMBER_LIMIT:
        raise Refused(f"{len(members)} files in it, over {MEMBER_LIMIT}")
    size = sum(member.file_size for member in members)
    if size > EXPANDED_LIMIT:
        raise Refused(f"{size // 2**20} MiB unpacked, over {EXPANDED_LIMIT // 2**20} MiB")
    if size > RATIO_FROM and size > RATIO_LIMIT * packed:
        raise Refused(f"unpacks to {size // packed} times its size, over {RATIO_LIMIT}")
    for member in members:
        parts = member.filename.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or ":" in parts[0]:
            raise Refused("a file in it leads out of the archive")
        if member.flag_bits & 1:
            raise Refused("it is encrypted")


def _member(name: str, content: bytes, kind: str, counts: Counter[str], notes: list[str]) -> bytes:
    if kind == "EPUB":
        chapter = name.lower().endswith((".xhtml", ".html", ".htm"))
        return _shown(content, counts, notes) if chapter else content
    if name.endswith((".xml", ".rels")) and re.search(rb"<!(?:DOCTYPE|ENTITY)", content):
        raise Refused("its XML declares entities")
    if not (name.startswith("word/") and name.endswith(".xml") and b"anish" in content):
        return content
    from xml.etree.ElementTree import tostring

    from defusedxml.ElementTree import fromstring

    top = fromstring(content)
    for above in top.iter():
        for run in above.findall(f"{{{_WORD}}}r"):
            marks = [
                run.find(f"{{{_WORD}}}rPr/{{{_WORD}}}{mark}")
                for mark in ("vanish", "webHidden", "specVanish")
            ]
            if any(m is not None and m.get(f"{{{_WORD}}}val") not in ("0", "false", "off") for m in marks):
                above.remove(run)
                counts[hostile.HIDDEN_ELEMENTS] += 1
    return bytes(tostring(top, encoding="utf-8"))


def _count_pages(data: bytes) -> None:
    from itertools import islice

    from pdfminer.pdfpage import PDFPage

    if sum(1 for _ in islice(PDFPage.get_pages(BytesIO(data)), PAGE_LIMIT + 1)) > PAGE_LIMIT:
        raise Refused(f"over {PAGE_LIMIT} pages")


def _limit(seconds: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has none; the time limit of the parent holds there
        return
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_LIMIT),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            resource.setrlimit(what, (most, most))
        except (ValueError, OSError):  # not every system limits everything
            continue


def _forbid() -> None:
    """Make the connections, programs and written files of this process errors, whoever asks for them."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and len(arguments) > 1 and set(str(arguments[1] or "")) & set("wax+")
        if writes or event.startswith(_FORBIDDEN):
            raise PermissionError(f"a converter may not do this: {event}")

    sys.addaudithook(hook)


def main() -> None:
    """Convert standard input, whose suffix is the first argument, and print the answer."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a library may print
    _limit(int(sys.argv[2]))
    answer: dict[str, Any]
    try:
        answer = _converted(sys.argv[1], sys.stdin.buffer.read())._asdict()
    except Refused as error:
        answer = {"refused": str(error)}
    except MemoryError:
        answer = {"refused": f"the conversion took over {MEMORY_LIMIT // 2**20} MiB of memory"}
    except Exception as error:  # whatever a converter makes of a hostile file
        said = " ".join(str(error).split())[:200]
        answer = {"refused": f"cannot be converted ({type(error).__name__}{': ' if said else ''}{said})"}
    json.dump(answer, answers)
    answers.flush()


if __name__ == "__main__":
    main()
