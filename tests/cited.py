#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The documents name the test that shows each thing: every test, function and scenario that they name is there.
   cited.py [ROOT]"""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
files = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"], check=True, text=True,
                       stdout=subprocess.PIPE).stdout.split("\n")
named = {}
for f in files:
    named.setdefault(pathlib.Path(f).name, []).append(f)
QUOTED = re.compile(r'\{"([^"]+)"')
scenarios = {kind: QUOTED.findall((root / "tests/crash" / source).read_text())
             for kind, source in (("crash", "scenarios.c"), ("birth", "test_birth.c"), ("undo", "test_undo.c"))}


def scenario(kind, name):
    """A name, or the beginning of some: 'grow, raid5 ..', 'amid a resync,'."""
    words = [w.strip() for w in re.sub(r"\s+", " ", name).split("..")]
    pattern = re.compile(".*".join(re.escape(w) for w in words))
    return any(pattern.match(s) or words[0] == "" and pattern.search(s) for s in scenarios[kind])


def is_file(path):
    return any((root / (path + end)).exists() for end in ("", ".events", ".c"))


def function(source, name):
    return any(re.search(rf"\b(?:test_)?{name}\b", (root / f).read_text()) for f in named[source])


def of(text):
    """Where, and what is not there."""
    for m in re.finditer(r"`(tests/[\w./-]+)[` ]", text):
        if not is_file(m[1]):
            yield m.start(), m[1]
    for m in re.finditer(r"`(?:[\w./-]+/)?([\w-]+\.(?:sh|py)|(?:test|fuzz|fake|rig)_\w+\.[ch])\b", text):
        if m[1] not in named:
            yield m.start(), m[1]
    for m in re.finditer(r"`(?:[\w./]+/)?(test_\w+\.c)`\s+(?:\(([^)]*)\)|((?:\w+,\s+)*\w*_\w+)\b)", text):
        for name in re.split(r",\s+", m[2] or m[3]):
            if re.fullmatch(r"[a-z]\w*", name) and m[1] in named and not function(m[1], name):
                yield m.start(), f"{name} in {m[1]}"
    for m in re.finditer(r"\b(crash|birth|undo)`?\*?\s(`[^`]+`|\"[^\"]+\"(?:(?:,|\s+and)\s+\"[^\"]+\")*)", text):
        for name in re.findall(r"[`\"]([^`\"]+)[`\"]", m[2]):
            if name != "X" and not scenario(m[1], name):
                yield m.start(), f"the scenario {name} of {m[1]}"


wrong = 0
for f in sorted((root / "docs").glob("*.md")) + [root / "README.md", root / "CONTRIBUTING.md"]:
    content = f.read_text()
    for at, what in of(content):
        print(f"{f.relative_to(root)}:{content.count(chr(10), 0, at) + 1}: {what} is not there")
        wrong += 1
sys.exit(1 if wrong else 0)
