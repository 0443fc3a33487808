#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of docs/rules-reference.md are those of the program, and every key and operator of the language is in it.

    rules_reference.py SPARECTL [--update]
"""
import json
import os
import re
import subprocess
import sys

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../docs/rules-reference.md")


def ask(sparectl, *words):
    return json.loads(subprocess.run([sparectl, *words, "--json"], check=True, stdout=subprocess.PIPE).stdout)


def cell(text):
    return text.replace("|", "\\|")


def source(fact):
    if fact["from"] == "event":
        return "every event" if fact["on"] == "*" else ", ".join(f"`{k}`" for k in fact["on"].split(","))
    return {"match": "a firing", "calendar": "the files"}.get(fact["from"], f"the {fact['on']}")


def facts_table(doc):
    lines = ["| fact | type | comes with | |", "|---|---|---|---|"]
    for f in doc["facts"]:
        if f["name"].startswith("previous."):
            continue
        kind = " ".join(f["words"]) if f["words"] else f["type"]
        lines.append(f"| `{f['name']}` | {kind}{' ?' if f['optional'] else ''} | {source(f)} | {cell(f['doc'])} |")
    lines.append("| `previous.device.FACT` | as `device.FACT` ? | `device.changed` | what it was before; not of sets |")
    return lines


def actions_table(doc):
    lines = ["| action | parameters | |", "|---|---|---|"]
    for a in doc["actions"]:
        params = ", ".join(f"**`{p['name']}`**" if p["required"] else f"`{p['name']}`" for p in a["params"])
        lines.append(f"| `{a['name']}` | {params} | {cell(a['doc'])}{' Changes an array.' if a['destructive'] else ''} |")
    return lines


def events_table(doc):
    groups = {}
    for kind in doc["events"]:
        groups.setdefault(kind.split(".")[0], []).append(kind)
    return ["; ".join(", ".join(f"`{k}`" for k in kinds) for kinds in groups.values())]


def keys(schema):
    """Every key of every mapping of a rules file, and every operator of a test."""
    for name, shape in schema["$defs"].items():
        if name in ("condition", "gate", "step", "override", "changes"):
            continue
        for option in shape.get("anyOf", [shape]):
            for key in option.get("properties", {}):
                yield name, key


def main():
    sparectl, update = sys.argv[1], "--update" in sys.argv
    doc = ask(sparectl, "rules", "doc")
    with open(PAGE, encoding="utf-8") as f:
        page = old = f.read()
    for name, table in (("facts", facts_table), ("actions", actions_table), ("events", events_table)):
        region = re.compile(rf"(<!-- {name}: [^>]* -->\n).*?(<!-- end -->)", re.S)
        assert region.search(page), f"no region for {name}"
        page = region.sub(lambda m, rows=table(doc): m[1] + "".join(f"{row}\n" for row in rows) + m[2], page)
    if update:
        with open(PAGE, "w", encoding="utf-8") as f:
            f.write(page)
        old = page
    bad = page != old
    if bad:
        print("the tables are not those of the program: tests/rules_reference.py SPARECTL --update makes them anew")
    for name, key in keys(ask(sparectl, "rules", "schema")):
        if not re.search(rf"`{re.escape(key)}[`:]", old):
            print(f"'{key}' of '{name}' is not in the reference")
            bad = True
    # The manual page tells each key, and has an example that tests/cli/examples.sh runs.
    with open(PAGE.replace("rules-reference.md", "spared.rules.5"), encoding="utf-8") as f:
        manual = f.read()
    display = re.compile(r"\.Bd -literal[^\n]*\n(.*?)\.Ed", re.S)
    examples, text = "\n".join(display.findall(manual)), display.sub("", manual)
    for name, key in keys(ask(sparectl, "rules", "schema")):
        for what, there in (("text", re.search(rf"(Cm|Ql) .*\b{re.escape(key)}\b", text)),
                            ("example", re.search(rf"(?<![\w.-]){re.escape(key)}:", examples))):
            if not there:
                print(f"spared.rules(5) has no {what} of '{key}' of '{name}'")
                bad = True
    # The tests that are named are there.
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "unit")
    code = "".join(open(os.path.join(folder, f), encoding="utf-8").read() for f in os.listdir(folder) if f.endswith(".c"))
    for test in re.findall(r"\b[a-z]+(?:_[a-z]+){3,}\b", old):
        if f"unit({test})" not in code and not test.startswith("test_"):
            print(f"there is no test {test}")
            bad = True
    for path in re.findall(r"`(tests/pipeline/[a-z_]+|diag/[a-z0-9-]+)`", old):
        where = os.path.join(folder, "..", path.removeprefix("tests/").replace("diag/", "golden/diag/"))
        if not os.path.exists(where + ".events") and not os.path.exists(where + ".yaml"):
            print(f"there is no {path}")
            bad = True
    return bad


if __name__ == "__main__":
    sys.exit(main())
