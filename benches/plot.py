"""Turns results of `make bench` into the tables and plots of docs/benchmarks.md. Run by `make bench-plot`."""

import json
import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
OURS, BAR = "#336791", "#c0504d"
UNITS = {"us": "µs", "tps": "transactions/s", "M/s": "M lines/s"}


def save(figure, name):
    """Without the date and random ids, so that the same results make the same file."""
    figure.savefig(DOCS / "benchmarks" / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)


def plot_ratios(results):
    """How many times the baseline, beside what was asked for."""
    results = results[::-1]
    figure, axes = plt.subplots(figsize=(8, 0.42 * len(results)))
    axes.barh([r["work"] for r in results], [r["ratio"] for r in results], color=OURS, label="reached")
    barred = [(place, r["bar"]) for place, r in enumerate(results) if r["bar"] is not None]
    axes.scatter([bar for _, bar in barred], [place for place, _ in barred], color=BAR, marker="|", s=160, zorder=3, label="asked for")
    for place, result in enumerate(results):
        axes.annotate(f" {result['ratio']:.2f}", (result["ratio"], place), va="center", fontsize=8)
    axes.set(xscale="log", xlabel="times the baseline (p99: times within the limit)")
    axes.legend(loc="lower right")
    save(figure, "ratios")


def plot_growth(growth, name, label):
    """The time of a call while one thing grows."""
    figure, axes = plt.subplots(figsize=(7, 4))
    sizes = [int(size) for size in growth]
    for call in next(iter(growth.values())):
        axes.plot(sizes, [per_call[call] for per_call in growth.values()], marker="o", label=call)
    axes.set(xscale="log", yscale="log", xlabel=label, ylabel="µs for each call")
    axes.set_ylim(bottom=0.1)
    axes.legend()
    axes.grid(alpha=0.3)
    save(figure, name)


def plot_throughput(throughput):
    """Transactions per second over numbers of clients."""
    figure, axes = plt.subplots(figsize=(7, 4))
    for script, rates in throughput.items():
        axes.plot([int(clients) for clients in rates], rates.values(), marker="o", label=script)
    axes.set(yscale="log", xlabel="clients", ylabel="transactions per second")
    axes.legend()
    axes.grid(alpha=0.3)
    save(figure, "throughput")


def table(header, rows):
    """A Markdown table."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def results_table(document):
    """Every row of the bar."""

    def cells(result):
        bar = "" if result["bar"] is None else f"{result['bar']:g}"
        reached = "" if result["bar"] is None else "yes" if result["ratio"] >= result["bar"] else "**no**"
        p50 = f", p50 {result['details']['p50']} µs" if "p50" in result["details"] else ""
        unit = UNITS[result["unit"]]
        return [result["work"], f"{result['baseline']:.2f}", f"{result['ours']:.2f} {unit}{p50}", f"{result['ratio']:.2f}", bar, reached]

    return table(["work", "baseline", "ours", "ratio", "asked for", "reached"], map(cells, document["results"]))


def index_table(document):
    """What each index is good for, and what it costs."""

    def cells(row):
        cost = ["", ""]
        if "costs" in row:
            (us, all_us), (wal, all_wal) = row["costs"]["us"], row["costs"]["wal_bytes"]
            cost = [f"{us:.0f} of {all_us:.0f} µs", f"{wal:.0f} of {all_wal:.0f} B"]
        without = f"{row['without']['ms']:.2f} ms" if row["without"] else "a constraint"
        return [f"`{row['index']}`", f"{row['bytes'] / 2**20:.1f} MB", f"{row['with']['ms']:.2f} ms", without, *cost]

    header = ["index", "size", "its query", "without it", "time of a checkout or change of a cart", "WAL of it"]
    return table(header, map(cells, document["indexes"]))


def hot_table(document):
    """Updates that touched no index."""
    rows = [[f"`{name}`", figures["updates"], figures["hot"]] for name, figures in sorted(document["hot_updates"].items())]
    return table(["table", "updates", "of them HOT"], rows)


def conditions(document):
    """What the figures were measured on."""
    machine, size = document["machine"], document["size"]
    return (
        f"Measured on {document['date']}: {machine['cores']} cores of {machine['processor']}, {machine['memory_gib']:.0f} GiB; "
        f"{document['postgresql'].split(' on ')[0]}; size {size['name']}: {size['users']:,} users, {size['subscriptions']:,} subscriptions, "
        f"{size['purchases']:,} purchases, {size['carts']:,} carts, {size['add_ons']:,} add-ons; medians of {document['rounds']} rounds."
    )


def main():
    document = json.loads((HERE / "results" / f"{sys.argv[1]}.json").read_text())
    (DOCS / "benchmarks").mkdir(exist_ok=True)
    matplotlib.rcParams.update({"svg.hashsalt": "benchmarks", "svg.fonttype": "none", "font.size": 9})
    plot_ratios(document["results"])
    plot_growth(document["growth"]["users"], "users", "users")
    plot_growth(document["growth"]["add_ons"], "add_ons", "add-ons")
    plot_throughput(document["throughput"])
    parts = {"conditions": conditions, "results": results_table, "indexes": index_table, "hot": hot_table}
    page = DOCS / "benchmarks.md"
    text = page.read_text()
    for name, part in parts.items():
        block = f"<!-- {name} -->\n{part(document)}\n<!-- end -->"
        text = re.sub(rf"<!-- {name} -->.*?<!-- end -->", lambda _, block=block: block, text, flags=re.DOTALL)
    page.write_text(text)


if __name__ == "__main__":
    main()
