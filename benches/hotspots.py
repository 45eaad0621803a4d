"""Where the time of a call goes, by perf: microseconds of a backend's processor time, by the part of the program that spends it.

    hotspots.py LABEL FOLDER_OF_THE_SOCKET [SECONDS]

The server must run on this machine, have a database `bench` (data.sql), and be one that perf may look at. What is found is added to
results/hotspots.json under the label, a commit or `now`, and plot.py draws it. perf samples by the clock of the processor, because virtual
machines often have no counters.
"""

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from before import Server

RESULTS = Path(__file__).parent / "results" / "hotspots.json"
WORK = ["has_feature", "price_cart with a code", "checkout", "complete_checkout"]
# The first that matches a function's name. What matches none is counted as other.
PARTS = {
    "memory": r"(Alloc|palloc|pfree|MemoryContext|malloc|^free$|^_?int_free|cfree|unlink_chunk|mem(cpy|set|move|cmp)|Slab|Bump)",
    "write-ahead log": r"^(XLog|Xlog|GetXLog|CopyXLog|pg_comp_crc|Wal|WAL|ReserveXLog|log_heap|log_newpage)",
    "compression": r"^(pglz|toast|Toast|heap_toast|detoast|pg_detoast)",
    # Constraints, defaults and conditions of indexes are stored as text.
    "stored expressions": r"(^_read|pg_strtok|^nodeRead|parseNode|stringTo|strtou?ll?$|strto[a-z]+_l_internal|ExprEvalPush|ExecInitExpr|ExecReadyExpr|CheckExpr|expr_setup|expression_planner|eval_const|strncpy)",
    "foreign keys and triggers": r"^(RI_|ri_|Trigger|ExecCallTrigger|AfterTrigger|Exec[BA][RS][IUD]|plpgsql|exec_)",
    "locks and snapshots": r"(LWLock|^Lock|^ProcArray|Snapshot|^Transaction|^SetHintBits|MultiXact|^SubTrans|^Xid|[sS]pin|^GrantLock|ResourceOwner|AcceptInval|^SIGet|ReceiveShared)",
    "indexes": r"^(_bt|bt[a-z]|index_|Index|gin|Gin|nocache_index|systable|bottomup)",
    "tables and buffers": r"^(heap|Heap|table_|Buf|Buffer|Pin|Unpin|Read|StartRead|Release|MarkBuffer|hash_bytes|hash_search|Page|page|visibility|RelationGetBuffer|smgr|md[a-z]|fsm|GetPrivateRef|ReservePrivate|pg_checksum|fill_val|pgstat)",
    "JSON": r"(json|Json|JSON)",
    "numbers": r"(numeric|_var$|_var_|int64_div|cmp_abs|add_abs|sub_abs|apply_typmod)",
    "planning": r"^(planner|plan_|standard_planner|subquery|make_|create_|cost|set_|pull_|parse|transform|raw_parser|base_yy|core_yy|preprocess|expression_|query_|build_|estimate|choose_|get_|Revalidate|GetCachedPlan|CheckCached|extract_|simplify|fix_|clauselist|find_|add_path|pathkeys|match_)",
    "text": r"(varstr|text|bttext|strcoll|varchar|bpchar|utf8|mblen|cstring|_in$|_out$|uuid|__str[a-z]+_evex|strncoll)",
    "executor": r"^(Exec|slot_|tts|Portal|SPI|_SPI|standard_Executor|Create[A-Z]|Init|fmgr|FunctionCall|tuplestore|tuplesort|TupleDesc|expand|bms|list|new_list|lappend|copyObject|_copy|array_)",
    "caches of the catalog": r"(Cat|Sys|Rel|Typ|typ|lookup_type|hash_|acl|has_|populate_compact)",
}


class Profiled(Server):
    """A session whose measured queries are sampled by perf."""

    def __init__(self, host, folder):
        super().__init__(host)
        self.data = folder / "perf.data"
        self.control, self.answer = folder / "control", folder / "answer"

    def sample(self, work, seconds):
        """The microseconds of a call, and their shares by function."""
        subprocess.run(["mkfifo", "-m", "600", self.control, self.answer], check=True)
        command = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "4000", "-D", "-1", "-o", self.data]
        command += [f"--control=fifo:{self.control},{self.answer}", "-p", str(self.connection.info.backend_pid)]
        recorder = subprocess.Popen(command)
        self.commands, self.answers = self.control.open("w", buffering=1), self.answer.open()
        times, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            times.append(self.call(work))
        self.tell("stop")
        recorder.wait()
        self.commands.close(), self.answers.close()
        self.control.unlink(), self.answer.unlink()
        return statistics.median(times), self.shares()

    def tell(self, what):
        """Perf does not answer when it is told to stop."""
        self.commands.write(f"{what}\n")
        if what != "stop":
            self.answers.readline()

    def measure(self, query):
        if not hasattr(self, "commands") or self.commands.closed:
            return super().measure(query)
        self.tell("enable")
        try:
            return super().measure(query)
        finally:
            self.tell("disable")

    def shares(self):
        """The share of each part, of all samples."""
        report = ["perf", "report", "-i", self.data, "--stdio", "-q", "--no-children", "-F", "overhead,dso,sym", "-t", "|", "--percent-limit", "0"]
        lines = subprocess.run(report, check=True, capture_output=True, text=True).stdout.splitlines()
        shares = defaultdict(float)
        for overhead, library, symbol in (line.split("|") for line in lines if line.count("|") == 2):
            shares[part_of(library.strip(), re.sub(r"^\[[.k]\] ", "", symbol.strip()))] += float(overhead.strip().rstrip("%")) / 100
        return shares


def part_of(library, symbol):
    """The part of the program that a function belongs to."""
    if library.startswith("[kernel"):
        return "kernel"
    if library == "extensions.so":
        return "the extension"
    return next((part for part, names in PARTS.items() if re.search(names, symbol)), "other")


def main():
    label, host, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 10
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        for work in WORK:
            server = Profiled(host, Path(folder))
            server.call(work)
            us, shares = server.sample(work, seconds)
            found.setdefault(work, {})[label] = {part: round(share * us, 3) for part, share in sorted(shares.items())}
            print(f"{work}: {us:.2f} us: " + ", ".join(f"{part} {share:.0%}" for part, share in sorted(shares.items(), key=lambda s: -s[1])), flush=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
