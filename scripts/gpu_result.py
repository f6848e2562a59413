"""Puts how a stage of gpu-check.sh ended, and the rows that its log has, into FILE.json, and all of that as tables into
FILE.md. Needs Python 3 alone. Other stages in the file stay; it is replaced whole or not at all.

A log has a line "ok NAME" or "FAILED NAME: reason" for a case, and an object of JSON with a `row` for a result; what else
it says stays in the log.
"""

import argparse
import datetime
import json
import os


def read_log(path):
    """(rows, passed, [failed])"""
    rows, passed, failed = [], 0, []
    try:
        with open(path, errors="replace") as log:
            for line in log:
                if line.startswith("ok "):
                    passed += 1
                elif line.startswith("FAILED "):
                    failed.append(line[7:].strip())
                elif line.startswith('{"row"'):
                    try:
                        rows.append(json.loads(line))
                    except ValueError:
                        pass  # the line during which the stage was stopped
    except OSError:
        pass
    return rows, passed, failed


def write_whole(path, text):
    with open(f"{path}.partial", "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{path}.partial", path)


def cell(value):
    if isinstance(value, float):
        value = f"{value:.4g}"
    elif isinstance(value, dict):
        value = ", ".join(f"{name} {cell(entry)}" for name, entry in value.items())
    elif value is None or value is True or value is False:
        value = {None: "–", True: "yes", False: "**no**"}[value]
    return str(value).replace("|", "\\|").replace("\n", " ")


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell(value) for value in line) + " |" for line in lines)


def tables_of(rows):
    """One table a kind of row, with the columns in their order."""
    kinds = {}
    for row in rows:
        kinds.setdefault(row["row"], []).append({name: value for name, value in row.items() if name != "row"})
    text = []
    for kind, entries in kinds.items():
        columns = list(dict.fromkeys(name for entry in entries for name in entry))
        text += [f"### {kind}", table(columns, [[entry.get(name, "") for name in columns] for entry in entries])]
    return text


def markdown_of(check):
    device = check["device"]
    head = [["stage", "result", "s", "date", "message"]]
    for stage in check["stages"]:
        result = stage["result"] if stage["result"] in ("passed", "skipped", "running") else f"**{stage['result']}**"
        head.append([stage["stage"] + (" (a trial)" if stage["quick"] else ""), result, stage["seconds"], stage["date"], stage["message"]])
    text = [f"# {device['name']}: scripts/gpu-check.sh",
            f"Compute capability {device['capability']}, driver {device['driver']}. Times in the tables are in seconds.",
            table(head[0], head[1:])]
    if any(stage["quick"] for stage in check["stages"]):
        text.append("A stage that is marked as a trial ran with --quick on tiny shapes: no figure of it says how fast anything is.")
    for stage in check["stages"]:
        text.append(f"## {stage['stage']}")
        if stage["cases"]["passed"] or stage["cases"]["failed"]:
            text.append(f"{stage['cases']['passed']} cases passed, {len(stage['cases']['failed'])} failed.")
            text += [f"- failed: {cell(name)}" for name in stage["cases"]["failed"]]
        text += tables_of(stage["rows"])
    return "\n\n".join(text) + "\n"


def main():
    parser = argparse.ArgumentParser()
    for name in ("file", "device", "capability", "driver", "stage", "result", "seconds", "message", "log"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()

    check = {"device": {}, "stages": []}
    try:
        with open(options.file) as file:
            check = json.load(file)
    except (OSError, ValueError):
        pass  # there is none yet, or it is not one of these
    check["device"] = {"name": options.device, "capability": options.capability, "driver": options.driver}
    rows, passed, failed = read_log(options.log)
    entry = {"stage": options.stage, "result": options.result, "seconds": int(options.seconds), "quick": options.quick,
             "date": datetime.date.today().isoformat(), "message": options.message.strip(),
             "cases": {"passed": passed, "failed": failed}, "rows": rows}
    # The stages in the order in which they are run.
    order = ["kernels", "step", "peers", "node"]
    others = [stage for stage in check["stages"] if stage["stage"] != options.stage]
    check["stages"] = sorted([*others, entry], key=lambda stage: (order + [stage["stage"]]).index(stage["stage"]))
    write_whole(options.file, json.dumps(check, indent=1) + "\n")
    write_whole(options.file.removesuffix(".json") + ".md", markdown_of(check))


main()
