"""Cuts a CycloneDX document down to the crates that are in the library: sbom.py FOLDER <all.json >library.json

cargo-cyclonedx describes the whole workspace with its tests, and names the folder in which it ran. The crates of the
library are those of THIRD-PARTY-LICENSES, which lint compares with what is built.
"""

import json
import re
import sys
from pathlib import Path

LISTED = re.compile(r"^([\w-]+ \d\S*): ", re.MULTILINE)


def cut_down(document: dict, crates: set[str]) -> dict:
    components = [part for part in document["components"] if f"{part['name']} {part['version']}" in crates]
    kept = {part["bom-ref"] for part in components} | {document["metadata"]["component"]["bom-ref"]}
    edges = [
        {"ref": edge["ref"], "dependsOn": [ref for ref in edge.get("dependsOn", []) if ref in kept]}
        for edge in document["dependencies"]
        if edge["ref"] in kept
    ]
    missing = crates - {f"{part['name']} {part['version']}" for part in components}
    if missing:
        sys.exit(f"error: cargo-cyclonedx knows nothing of {', '.join(sorted(missing))}")
    return document | {"components": components, "dependencies": edges}


def main() -> None:
    root = Path(__file__).parent.parent
    crates = set(LISTED.findall((root / "THIRD-PARTY-LICENSES").read_text()))
    text = sys.stdin.read().replace(f"path+file://{sys.argv[1]}", "path+file:///extensions")
    json.dump(cut_down(json.loads(text), crates), sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
