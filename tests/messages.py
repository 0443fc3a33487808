#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every message of the loader of rules stands in a golden text or in a test."""
import glob
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
# No field of today is an integer without a range.
NOT_SHOWN = ("'%s' must be an integer, not '%s'",)


def read(pattern):
    return "".join(open(f, encoding="utf-8", errors="replace").read() for f in sorted(glob.glob(os.path.join(ROOT, pattern))))


def calls(code):
    """The arguments of each call that tells something, as they stand."""
    for start in re.finditer(r"\b(?:diag_error|diag_warning|diag_hint|lint_warn)\(", code):
        depth, at, quoted = 1, start.end(), False
        while depth:
            c = code[at]
            if quoted and c == "\\":
                at += 1
            elif c == '"':
                quoted = not quoted
            elif not quoted:
                depth += (c == "(") - (c == ")")
            at += 1
        yield code[start.end():at - 1]


def formats(call):
    """Its sentences; a number's format macro is one with what stands beside it."""
    call = re.sub(r'"\s*PRI[a-z]64\s*"', "d", call)
    for text in re.findall(r'"((?:[^"\\]|\\.)*)"', re.sub(r'"\s*"', "", call)):
        text = text.replace('\\"', '"').replace("\\\\", "\\").split("\\n")[0]
        if " " in text and text.strip("%s: ") != "":
            yield text


def main():
    shown = read("tests/golden/diag/*.err") + read("tests/unit/*.c") + read("tests/cli/*.sh")
    bad = n = 0
    for path in sorted(glob.glob(os.path.join(ROOT, "rules/*.c"))) + [os.path.join(ROOT, "config/schema.c")]:
        if os.path.basename(path).startswith("test"):
            continue
        for call in calls(open(path, encoding="utf-8").read()):
            for text in formats(call):
                n += 1
                pattern = re.sub(r"%(?:lld|zu|[sdc])", ".*?", re.escape(text).replace("\\%", "%")).replace("%%", "%")
                if text not in NOT_SHOWN and not re.search(pattern, shown):
                    print(f"{os.path.relpath(path, ROOT)}: no test shows '{text}'")
                    bad += 1
    print(f"{n} messages, {bad} that no test shows")
    return bad > 0 or n < 150


if __name__ == "__main__":
    sys.exit(main())
