#!/usr/bin/env python3
"""Fails when a dependency's licence is not one of those that are fine for everybody."""

import json
import re
import subprocess
import sys

ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}


def is_allowed(expression):
    """Evaluates an SPDX expression; AND binds more tightly than OR. The old `MIT/Apache-2.0` means OR."""
    text = expression.replace("/", " OR ")
    tokens = re.findall(r"[()]|(?:AND|OR)\b|[\w.+-]+(?: WITH [\w.-]+)?", text)

    def term():
        token = tokens.pop(0)
        if token != "(":
            return token in ALLOWED
        inside = either()
        tokens.pop(0)
        return inside

    def chain(operator, part, combine):
        parts = [part()]
        while tokens and tokens[0] == operator:
            tokens.pop(0)
            parts.append(part())
        return combine(parts)

    def both():
        return chain("AND", term, all)

    def either():
        return chain("OR", both, any)

    return either()


def host():
    version = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True)
    return re.search(r"^host: (.+)$", version.stdout, re.MULTILINE)[1]


def packages():
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    # Crates of other platforms would only be downloaded for this.
    command += ["--filter-platform", host()]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return json.loads(output)["packages"]


def main():
    found = packages()
    refused = [p for p in found if not (p["license"] and is_allowed(p["license"]))]
    for package in refused:
        print(f"{package['name']} {package['version']}: licence {package['license']}", file=sys.stderr)
    print(f"{len(found)} packages, {len(refused)} with a licence that is not on the list")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
