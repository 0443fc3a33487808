#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of JSON Schema that docs/spared-protocol.schema.json uses, with nothing but Python's own library.

    schema.py NAME < LINES      each line must be valid by $defs/NAME; tells which is not, and why
"""
import json
import os
import re
import sys

ROOT = json.load(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../docs/spared-protocol.schema.json")))
KNOWN = {"$ref", "$schema", "$defs", "title", "description", "type", "const", "enum", "pattern", "minimum", "maximum",
         "properties", "required", "additionalProperties", "items", "prefixItems", "minItems", "maxItems", "oneOf",
         "anyOf"}
TYPES = {"string": lambda v: isinstance(v, str), "boolean": lambda v: isinstance(v, bool),
         "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
         "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
         "object": lambda v: isinstance(v, dict), "array": lambda v: isinstance(v, list), "null": lambda v: v is None}
EMPTY = {"string": "", "boolean": False, "integer": 0, "number": 0, "object": {}, "array": [], "null": None}


def resolve(s):
    while "$ref" in s:
        s = ROOT["$defs"][s["$ref"].removeprefix("#/$defs/")]
    return s


def errors(s, v, at=""):
    """What is wrong with v: a list of sentences."""
    s = resolve(s)
    assert s.keys() <= KNOWN, f"not understood: {s.keys() - KNOWN}"
    at = at or "the line"
    types = s.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(TYPES[t](v) for t in types):
        return [f"{at} is not of type {' or '.join(types)}: {json.dumps(v)[:80]}"]
    if "const" in s and (v != s["const"] or type(v) is not type(s["const"])):
        return [f"{at} is {json.dumps(v)[:80]}, not {json.dumps(s['const'])}"]
    if "enum" in s and v not in s["enum"]:
        return [f"{at} is {json.dumps(v)[:80]}, not one of {s['enum']}"]
    if "pattern" in s and not re.search(s["pattern"], v):
        return [f"{at} does not match {s['pattern']}: {v[:80]}"]
    if v is not None and (("minimum" in s and v < s["minimum"]) or ("maximum" in s and v > s["maximum"])):
        return [f"{at} is out of range: {v}"]
    found = []
    if isinstance(v, dict):
        found += [f"{at} has no '{k}'" for k in s.get("required", []) if k not in v]
        more = s.get("additionalProperties", True)
        for k, item in v.items():
            if k in s.get("properties", {}):
                found += errors(s["properties"][k], item, f"{at}.{k}")
            elif more is False:
                found.append(f"{at} has an unknown '{k}'")
            elif more is not True:
                found += errors(more, item, f"{at}.{k}")
    if isinstance(v, list) and "items" in s:
        for i, item in enumerate(v):
            found += errors(s["items"], item, f"{at}[{i}]")
    if isinstance(v, list):
        for i, item in enumerate(s.get("prefixItems", [])):
            found += errors(item, v[i], f"{at}[{i}]") if i < len(v) else []
        if not s.get("minItems", 0) <= len(v) <= s.get("maxItems", len(v)):
            found.append(f"{at} has {len(v)} items")
    for key in ("oneOf", "anyOf"):
        if key in s:
            each = [errors(option, v, at) for option in s[key]]
            fits = sum(not e for e in each)
            if fits == 0:
                found += min(each, key=len)
            elif fits > 1 and key == "oneOf":
                found.append(f"{at} fits {fits} shapes where one is meant")
    return found


def whole(s, v):
    """v with the required members that it lacks, empty: a test's answer as the daemon would send it."""
    s = resolve(s)
    for key in ("oneOf", "anyOf"):
        if key in s:
            s = resolve(min(s[key], key=lambda option: len(errors(option, whole(option, v)))))
            return whole(s, v)
    if isinstance(v, dict):
        v = dict(v)
        for k in s.get("required", []):
            if k not in v:
                p = resolve(s.get("properties", {}).get(k, {}))
                t = p.get("type", "null")
                v[k] = p["const"] if "const" in p else p["enum"][0] if "enum" in p else EMPTY[t if isinstance(t, str) else t[0]]
        return {k: whole(s.get("properties", {}).get(k, {}), item) for k, item in v.items()}
    if isinstance(v, list):
        return [whole(s.get("items", {}), item) for item in v]
    return v


def named(name):
    return ROOT["$defs"][name]


def main():
    bad = n = 0
    for n, line in enumerate(sys.stdin, 1):
        for e in errors(named(sys.argv[1]), json.loads(line)):
            print(f"line {n}: {e}\n    {line[:300].strip()}")
            bad += 1
    print(f"{n} lines, {bad} mistakes")
    return bad > 0 or n == 0


if __name__ == "__main__":
    sys.exit(main())
