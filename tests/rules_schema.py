#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Judges YAML files by a JSON Schema, as an editor does.

    rules_schema.py SCHEMA FILE..      one line a file: "good FILE", or "bad FILE: where: what"
"""
import json
import sys

import jsonschema
import yaml


class Reader(yaml.SafeLoader):
    """Times and dates stay text, and so do base 60 numbers: editors read YAML 1.2."""


Reader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers
            if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Reader.add_implicit_resolver("tag:yaml.org,2002:bool", __import__("re").compile("^(true|false)$"), list("tf"))


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    judge = jsonschema.Draft202012Validator(schema)
    for path in sys.argv[2:]:
        try:
            with open(path, encoding="utf-8") as f:
                content = yaml.load(f, Reader)
        except (yaml.YAMLError, UnicodeDecodeError) as e:
            print(f"bad {path}: not YAML: {str(e).splitlines()[0]}")
            continue
        if content is None:
            print(f"good {path}")
            continue
        worst = jsonschema.exceptions.best_match(judge.iter_errors(content))
        where = "/".join(str(p) for p in worst.absolute_path) if worst else ""
        print(f"bad {path}: {where}: {worst.message[:200]}" if worst else f"good {path}")


if __name__ == "__main__":
    main()
