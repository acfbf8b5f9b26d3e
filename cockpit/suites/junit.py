"""A report as JUnit XML, which CI systems show: a suite for each half, a case for each prompt"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from cockpit.suites.report import HALVES, Report
from cockpit.text.plain_text import plain_line, plain_text

_not_xml = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> bytes:
    """The file, in UTF-8. A prompt that was not answered is an error, one that was and does not pass a failure."""
    root = ET.Element("testsuites", name=_line(f"cockpit smoke {report.target}"), time=f"{report.duration_s:.3f}")
    for half in HALVES:
        rows = [row for row in report.rows if row.half == half]
        if not rows:
            continue
        errors = sum(row.judged.answer.end == "failed" for row in rows)
        failures = sum(not row.judged.passed for row in rows) - errors
        suite = ET.SubElement(
            root, "testsuite", name=half, tests=str(len(rows)), failures=str(failures), errors=str(errors), skipped="0"
        )
        for row in rows:
            case = ET.SubElement(suite, "testcase", classname=f"smoke.{half}", name=_line(row.title))
            why = row.judged.failures
            if why:
                kind = "error" if row.judged.answer.end == "failed" else "failure"
                ET.SubElement(case, kind, message=_line(why[0])).text = _text("\n".join(why))
            said = [f"verdict: {row.verdict}"] if row.verdict else []
            said += [
                f"{name}: {one.answer.text}"
                for name, one in (("base", row.base), ("tuned", row.tuned))
                if one is not None
            ]
            ET.SubElement(case, "system-out").text = _text("\n".join(said))
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _line(text: str) -> str:
    return _not_xml.sub("", plain_line(text))


def _text(text: str) -> str:
    return _not_xml.sub("", plain_text(text))
