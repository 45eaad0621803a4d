"""Fails where modules of a crate need each other in a circle, or folders of its source do: circles.py SOURCE..."""

import re
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path


def paths(tree: str) -> list[str]:
    """The paths of an import: of a::{b, c::d} a::b and a::c::d."""
    inner = re.search(r"\{([^{}]*)\}", tree)
    if not inner:
        return [tree.strip()]
    before, after = tree[: inner.start()], tree[inner.end() :]
    return [path for one in inner[1].split(",") for path in paths(before + one + after)]


def imports(file: Path, module: str) -> list[str]:
    """The paths that a module names, from the root of its crate. Test modules come last in their files."""
    code = re.sub(r"//.*", "", file.read_text()).split("#[cfg(test)]")[0].split('#[cfg(feature = "pg_test")]')[0]
    named = [path for tree in re.findall(r"\buse\s+([^;]+);", code) for path in paths(re.sub(r"\s+", "", tree))]
    named += re.findall(r"\b(?:crate|super)(?:::\w+)+", code)
    above = module.rpartition("::")[0]
    own = [path for path in named if path.startswith(("crate::", "super::"))]
    return [re.sub(r"^super::", f"{above}::" if above else "", path).removeprefix("crate::") for path in own]


def check(needs: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        sys.exit("a circle: " + " needs ".join(reversed(error.args[1])))


for source in map(Path, sys.argv[1:]):
    files = {}
    for file in source.rglob("*.rs"):
        files[str(file.relative_to(source).with_suffix("")).removesuffix("/mod").replace("/", "::")] = file
    needs: dict[str, set[str]] = {module: set() for module in files}
    for module, file in files.items():
        for path in imports(file, module):
            while path and path not in files:
                path = path.rpartition("::")[0]
            if path and path != module:
                needs[module].add(path)
    check(needs)
    folders: dict[str, set[str]] = {}
    for module, others in needs.items():
        folder = module.split("::")[0]
        folders.setdefault(folder, set()).update({other.split("::")[0] for other in others} - {folder})
    check(folders)
