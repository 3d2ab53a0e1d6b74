"""The forms in which findings are shown. A form is one function; `FORMATS` names them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from oracle_tools import __version__
from oracle_tools.bundle.errors import shown
from oracle_tools.check.rule import Finding, Severity

STEPS = (
    ("Structure", "SBI"),
    ("Dual structure", "C"),
    ("Misplaced files", "P"),
    ("Numbering", "N"),
    ("Cross-pollination", "X"),
)
"""The first steps of the self-check with the families they speak for; the sixth is the summary."""

_STEP_OF_RULE = {"missing-folder": 1, "stray-root-document": 2, "misplaced-overview": 2, "unlisted-file": 2}


@dataclass(frozen=True, slots=True)
class Report:
    """What a check has to say: the bundle's name, how many files it judged, and what it found.

    `listed` are the rules whose information was asked for by name; other information is only counted.
    """

    name: str
    files: int
    findings: Sequence[Finding]
    quiet: bool = False
    statistics: bool = False
    listed: frozenset[str] = field(default_factory=frozenset)

    def count(self, severity: Severity) -> int:
        """Return how many findings are of this severity."""
        return sum(finding.severity == severity for finding in self.findings)


def text(report: Report) -> str:
    """Return the report for a person: the six steps of the self-check."""
    out: list[str] = []
    steps: list[list[Finding]] = [[] for _ in STEPS]
    for finding in report.findings:
        number = _step(finding)
        if number is not None:
            steps[number].append(finding)
    if not report.quiet:
        out.append(f"Self-check of {report.name or 'the bundle'}: {_plural(report.files, 'Markdown file')}")
        for number, (title, _) in enumerate(STEPS):
            out.append(f"  {number + 1}. {title + ' ':.<22} {_outcome(steps[number], title)}")
        out.append(f"  {len(STEPS) + 1}. {'Summary ':.<22} {_totals(report)}")
    shown_findings = [f for f in report.findings if f.severity > Severity.INFO or f.code in report.listed]
    if shown_findings and not report.quiet:
        out.append("")
    for finding in shown_findings:
        place = f"{shown(finding.path)}:{finding.line}:{finding.column}"
        repair = " [--fix]" if finding.fixable else ""
        out.append(f"{place}: {finding.code} {finding.name}: {shown(finding.message)}{repair}")
    if report.statistics:
        counts = Counter((f.code, f.name) for f in report.findings)
        out += [f"{n:>6}  {code} {name}" for (code, name), n in sorted(counts.items())]
    if _failures(report):
        out += [] if report.quiet else [""]
        out.append(_totals(report))
    return "\n".join(out)


def _step(finding: Finding) -> int | None:
    if finding.name in _STEP_OF_RULE:
        return _STEP_OF_RULE[finding.name]
    return next((n for n, (_, families) in enumerate(STEPS) if finding.code[0] in families), None)


def _outcome(findings: Sequence[Finding], title: str) -> str:
    bad = sum(finding.severity > Severity.INFO for finding in findings)
    noted = len(findings) - bad
    if bad:
        return _plural(bad, "finding")
    if noted and title == "Cross-pollination":
        return f"ok, {_plural(noted, 'file')} noted (expected of a dual oracle)"
    return f"ok, {noted} noted" if noted else "ok"


def _failures(report: Report) -> int:
    return report.count(Severity.ERROR) + report.count(Severity.WARNING)


def _totals(report: Report) -> str:
    if not _failures(report):
        return "All checks passed"
    parts = [
        _plural(report.count(Severity.ERROR), "error"),
        _plural(report.count(Severity.WARNING), "warning"),
    ]
    return ", ".join(part for part in parts if not part.startswith("0 "))


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def as_json(report: Report) -> str:
    """Return the report as one JSON object: `findings` and `summary`."""
    findings = [
        {
            "code": f.code,
            "name": f.name,
            "path": f.path,
            "line": f.line,
            "column": f.column,
            "severity": f.severity.word,
            "message": f.message,
            "fixable": f.fixable,
        }
        for f in report.findings
    ]
    summary = {
        "bundle": report.name,
        "files": report.files,
        "errors": report.count(Severity.ERROR),
        "warnings": report.count(Severity.WARNING),
        "infos": report.count(Severity.INFO),
        "passed": not _failures(report),
    }
    return json.dumps({"findings": findings, "summary": summary}, indent=2)


_SARIF_LEVEL = {Severity.INFO: "note", Severity.WARNING: "warning", Severity.ERROR: "error"}


def sarif(report: Report) -> str:
    """Return the report as SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/)."""
    from urllib.parse import quote

    from oracle_tools.check.rules import RULES

    used = sorted({finding.code for finding in report.findings})
    results = [
        {
            "ruleId": f.code,
            "ruleIndex": used.index(f.code),
            "level": _SARIF_LEVEL[f.severity],
            "message": {"text": shown(f.message)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {
                            "uri": quote(f.path, errors="surrogateescape"),
                            "uriBaseId": "%SRCROOT%",
                        },
                        "region": {"startLine": f.line, "startColumn": f.column},
                    }
                }
            ],
        }
        for f in report.findings
    ]
    driver = {
        "name": "oracle",
        "version": __version__,
        "rules": [
            {
                "id": code,
                "name": RULES[code].name,
                "shortDescription": {"text": RULES[code].summary},
                "fullDescription": {"text": RULES[code].doc},
                "defaultConfiguration": {"level": _SARIF_LEVEL[RULES[code].severity]},
            }
            for code in used
        ],
    }
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }
    return json.dumps(log, indent=2)


_GITHUB_LEVEL = {Severity.INFO: "notice", Severity.WARNING: "warning", Severity.ERROR: "error"}


def github(report: Report) -> str:
    """Return the report as workflow commands, which GitHub Actions shows beside the lines."""
    return "\n".join(
        f"::{_GITHUB_LEVEL[f.severity]} file={_property(f.path)},line={f.line},col={f.column},"
        f"title={_property(f'{f.code} {f.name}')}::{_data(f.message)}"
        for f in report.findings
    )


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


FORMATS: dict[str, Callable[[Report], str]] = {
    "text": text,
    "json": as_json,
    "sarif": sarif,
    "github": github,
}
"""Every form of output by the name that `--format` takes."""
