"""Draws what the bench of the gateway measured: chart.py RESULTS.json CHART.png"""

import json
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

GIB = 1 << 30
COLOURS = {
    "memory store": "#bdbdbd", "proxy → memory": "#9ecae1", "sealgate → memory": "#e6550d",
    "sealgate, local store": "#fdae6b", "SeaweedFS": "#756bb1", "SeaweedFS, SSE-S3": "#bcbddc",
    "proxy → SeaweedFS": "#6baed6", "sealgate → SeaweedFS": "#a63603", "rclone crypt → SeaweedFS": "#31a354",
}


def requests_per_second(row):
    return row["requests"] / row["seconds"]


def megabytes_per_second(row):
    return row["bytes"] / 1e6 / row["seconds"]


def cpu_per_gib(row):
    return row["cpu_seconds"] / (row["bytes"] / GIB) if row["bytes"] else 0


def cpu_per_thousand(row):
    return row["cpu_seconds"] * 1000 / row["requests"]


def peak_mib(row):
    return row["peak_bytes"] / (1 << 20)


PANELS = [
    ("4 KiB, requests per second", requests_per_second, ["PUT of 4 KiB", "GET of 4 KiB", "HEAD"]),
    ("64 MiB, MB per second", megabytes_per_second, ["PUT of 64 MiB", "GET of 64 MiB"]),
    ("64 MiB, processor seconds per GiB", cpu_per_gib, ["PUT of 64 MiB", "GET of 64 MiB"]),
    ("processor seconds per 1,000 requests", cpu_per_thousand,
     ["PUT of 4 KiB", "GET of 4 KiB", "ranges of 64 KiB in 1 GiB", "LIST of 1,000 keys"]),
    ("64 transfers of 1 GiB at once, peak MiB", peak_mib,
     ["64 uploads of 1 GiB at once", "64 downloads of 1 GiB at once"]),
]


def draw(axes, title, figure_of, workloads, rows):
    shown = [row for row in rows if row["workload"] in workloads]
    wanted = {16, 64} if "at once" in workloads[0] else {16}
    shown = [row for row in shown if row["connections"] in wanted]
    if not shown:
        axes.axis("off")
        return
    contenders = [name for name in COLOURS if any(row["contender"] == name for row in shown)]
    width = 0.8 / max(1, len(contenders))
    for number, name in enumerate(contenders):
        figures = {row["workload"]: figure_of(row) for row in shown if row["contender"] == name}
        places = [at + number * width for at, workload in enumerate(workloads) if workload in figures]
        bars = axes.bar(places, [figures[w] for w in workloads if w in figures], width, color=COLOURS[name], label=name)
        axes.bar_label(bars, fmt="%.3g", fontsize=6, rotation=90, padding=2)
    axes.set_title(title, fontsize=9)
    axes.set_xticks([at + 0.4 - width / 2 for at in range(len(workloads))])
    axes.set_xticklabels(workloads, fontsize=7)
    axes.tick_params(axis="y", labelsize=7)
    axes.margins(y=0.18)


def main(results, chart):
    with open(results, encoding="utf-8") as file:
        rows = json.load(file)["rows"]
    figure, axes = plt.subplots(3, 2, figsize=(12, 12))
    axes = axes.flatten()
    for place, panel in zip(axes, PANELS):
        draw(place, *panel, rows)
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in COLOURS.values()]
    axes[-1].axis("off")
    axes[-1].legend(handles, COLOURS, loc="center", fontsize=10, title="16 connections unless the title says otherwise")
    figure.tight_layout()
    figure.savefig(chart, dpi=110)


if __name__ == "__main__":
    main(*sys.argv[1:])
