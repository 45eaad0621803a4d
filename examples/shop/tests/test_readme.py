"""The steps of README.md, from an empty server to an answer."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from conftest import SHOP, psql

README = (SHOP / "README.md").read_text()


def blocks():
    return re.findall(r"^```sh\n(.*?)^```$(?:\n```text\n(.*?)^```$)?", README, re.MULTILINE | re.DOTALL)


def test_the_steps_lead_to_a_shop(tmp_path):
    (steps, _), (question, answer), _ = blocks()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # The packages are there, the server listens on a socket, and the port may be taken: everything else as written.
    steps = "\n".join(line for line in steps.splitlines() if not re.search(r" -m venv |/pip ", line))
    steps = steps.replace("createdb shop", "createdb shop_of_readme").replace("psql -d shop ", "psql -q -d shop_of_readme ")
    steps = steps.replace("@localhost/shop", f"@/shop_of_readme?host={os.environ['PGHOST']}")
    steps = steps.replace("shop-venv/bin/uvicorn", f"exec {os.path.dirname(sys.executable)}/uvicorn --port {port}")
    log = (tmp_path / "log").open("w+")
    environment = {key: value for key, value in os.environ.items() if key != "PGDATABASE"}
    server = subprocess.Popen(
        ["bash", "-euc", steps], cwd=SHOP.parents[1], env=environment, stdout=subprocess.DEVNULL, stderr=log
    )
    try:
        url = re.search(r"'(http[^']+)'", question).group(1).replace("8000", str(port))
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(url) as response:
                    assert response.read().decode() == answer.strip()
                break
            except urllib.error.URLError:
                assert server.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.1)
    finally:
        server.terminate()
        server.wait(20)
        psql("postgres", "-c", "DROP DATABASE IF EXISTS shop_of_readme WITH (FORCE)")


def test_every_setting_is_told():
    source = (SHOP / "shop/settings.py").read_text()
    assert set(re.findall(r'environ(?:\.get\(|\[)"(\w+)"', source)) <= set(re.findall(r"`([A-Z_]+)`", README))
