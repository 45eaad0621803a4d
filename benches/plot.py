"""Turns results of `make bench` into the tables and plots of docs/benchmarks.md. Run by `make bench-plot`."""

import json
import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

from rows import ROWS, SECTIONS, is_reached

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
OURS, BAR = "#336791", "#c0504d"
UNITS = {"us": "µs", "tps": "a second", "M/s": "M lines/s", "bytes": "bytes"}


def save(figure, name):
    """Without the date and random ids, so that the same results make the same file."""
    figure.savefig(DOCS / "benchmarks" / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)


def plot_ratios(results):
    """How many times the speed of the other side, beside what was asked for."""
    shown = [(row, ROWS[row]) for row in ROWS if row in results][::-1]
    figure, axes = plt.subplots(figsize=(8, 0.3 * len(shown)))
    names = [f"{row.work} / {row.beside}".replace("`", "") for _, row in shown]
    places, ratios = range(len(shown)), [results[key]["ratio"] for key, _ in shown]
    colors = [BAR if is_reached(key, results[key]["ratio"]) is False else OURS for key, _ in shown]
    axes.barh(places, [ratio - 1 for ratio in ratios], left=1, color=colors)
    barred = [(place, row.asked) for place, (_, row) in zip(places, shown) if row.asked is not None]
    axes.scatter([bar for _, bar in barred], [place for place, _ in barred], color="black", marker="|", s=80, zorder=3, label="asked for")
    for place, ratio in zip(places, ratios):
        axes.annotate(f" {ratio:.2f} ", (ratio, place), va="center", ha="left" if ratio >= 1 else "right", fontsize=7)
    axes.set_yticks(places, names, fontsize=7)
    axes.set(xscale="log", xlabel="times the speed of the other side, or within the limit (red: not reached)")
    axes.set_xlim(min(ratios) / 2, max(ratios) * 2)
    axes.set_ylim(-1, len(shown))
    axes.legend(loc="lower right")
    save(figure, "ratios")


def plot_hotspots(hotspots):
    """Where the time of a call goes, at some commits and now."""
    builds = list(next(iter(hotspots.values())))[::-1]
    parts = sorted({part for labels in hotspots.values() for shares in labels.values() for part in shares}, key=lambda part: (part == "other", part))
    colors = dict(zip(parts, plt.get_cmap("tab20").colors))
    height = (0.35 * len(builds) + 0.55) * len(hotspots) + 1.1
    figure, all_axes = plt.subplots(len(hotspots), 1, figsize=(8, height))
    for axes, (work, labels) in zip(all_axes, hotspots.items()):
        for place, build in enumerate(builds):
            left = 0
            for part in parts:
                us = labels.get(build, {}).get(part, 0)
                axes.barh(place, us, left=left, color=colors[part], height=0.7)
                left += us
            axes.annotate(f" {left:.3g} µs", (left, place), va="center", fontsize=8)
        axes.set_yticks(range(len(builds)), builds)
        axes.set_title(work, loc="left", fontsize=9)
        axes.margins(x=0.12)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend([plt.Rectangle((0, 0), 1, 1, color=colors[part]) for part in parts], parts, loc="lower center", ncols=4, fontsize=8)
    figure.tight_layout(rect=(0, 1.1 / height, 1, 1))
    save(figure, "hotspots")


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
    left = ["---" if name in ("work", "beside", "index", "table") else "---:" for name in header]
    lines = [header, left, *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def amount(figure, unit):
    """A figure with as many digits as say something."""
    if unit == "us" and figure >= 100_000:
        return f"{figure / 1e6:.2f} s"
    digits = 2 if figure < 100 else 0
    return f"{figure:,.{digits}f} {UNITS[unit]}"


def notes(result, side):
    """What else is to say of a side's figure, behind it."""
    details = result["details"]
    if "application" in details:
        trips = f"{details[side]['round_trips']:.1f}".removesuffix(".0")
        return f", {trips} round trip{'' if trips == '1' else 's'}"
    if side == "application":
        return ""
    if "p50" in details:
        return f", p50 {details['p50']} µs"
    return f" ({details['worst']})" if "worst" in details else ""


def results_table(document):
    """Every row, by section."""
    results = {result["row"]: result for result in document["results"]}

    def cells(key):
        row, result = ROWS[key], results[key]
        asked = "" if row.asked is None else f"{row.asked:.2f}".rstrip("0").rstrip(".")
        reached = {None: "", True: "yes", False: "**no**"}[is_reached(key, result["ratio"])]
        theirs = amount(result["theirs"], row.unit) + notes(result, "application")
        ours = amount(result["ours"], row.unit) + notes(result, "calls")
        return [row.work, row.beside, theirs, ours, f"{result['ratio']:.2f}", asked, reached]

    header = ["work", "beside", "theirs", "ours", "ratio", "asked for", "reached"]
    measured = {section: [cells(key) for key in rows if key in results] for section, rows in SECTIONS.items()}
    return "\n\n".join(f"### {section}\n\n{table(header, rows)}" for section, rows in measured.items() if rows)


def million_table(_):
    """What was measured with a million users, in one table."""
    document = json.loads((HERE / "results" / "large.json").read_text())
    rows = [line for line in results_table(document).splitlines() if line.startswith("|")]
    return conditions(document) + "\n\n" + "\n".join(dict.fromkeys(rows))


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
    note = f" {document['note']}" if document.get("note") else ""
    return (
        f"Measured on {document['date']}: {machine['cores']} cores of {machine['processor']}, {machine['memory_gib']:.0f} GiB; "
        f"{document['postgresql'].split(' on ')[0]}; size {size['name']}: {size['users']:,} users, {size['subscriptions']:,} subscriptions, "
        f"{size['purchases']:,} purchases, {size['carts']:,} carts, {size['add_ons']:,} add-ons; medians of {document['rounds']} rounds in "
        f"one statement, and of {document['runs']} by clients.{note}"
    )


def main():
    document = json.loads((HERE / "results" / f"{sys.argv[1]}.json").read_text())
    (DOCS / "benchmarks").mkdir(exist_ok=True)
    matplotlib.rcParams.update({"svg.hashsalt": "benchmarks", "svg.fonttype": "none", "font.size": 9})
    plot_ratios({result["row"]: result for result in document["results"]})
    if (hotspots := HERE / "results" / "hotspots.json").exists():
        plot_hotspots(json.loads(hotspots.read_text()))
    plot_growth(document["growth"]["users"], "users", "users")
    plot_growth(document["growth"]["add_ons"], "add_ons", "add-ons")
    plot_throughput(document["throughput"])
    parts = {"conditions": conditions, "results": results_table, "million": million_table, "indexes": index_table, "hot": hot_table}
    page = DOCS / "benchmarks.md"
    text = page.read_text()
    for name, part in parts.items():
        block = f"<!-- {name} -->\n{part(document)}\n<!-- end -->"
        text = re.sub(rf"<!-- {name} -->.*?<!-- end -->", lambda _, block=block: block, text, flags=re.DOTALL)
    page.write_text(text)


if __name__ == "__main__":
    main()
