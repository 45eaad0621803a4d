"""Runs the suite in node/ with the Node of the virtual environment."""

import os
import re
import subprocess
import sys

from conftest import CACHE, ROOT


def test_node_postgres(database):
    node = os.path.join(os.path.dirname(sys.executable), "node")
    command = [node, "--test", "--test-reporter=tap", "tests/clients/node/pg.test.js"]
    environment = os.environ | {"PGDATABASE": database, "NODE_PATH": str(CACHE / "node/node_modules")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = dict(re.findall(r"^# (\w+) (\d+)$", done.stdout, re.MULTILINE))
    assert counts["pass"] == counts["tests"] == "12", done.stdout
