"""The table of values in the chart's README, made of values.yaml and its comments.

Usage: readme.py CHART writes it anew; readme.py CHART --check fails if it is not current.
"""
import json
import pathlib
import re
import sys

import yaml

MARK = "<!-- Made of values.yaml by tests/helm/readme.py: change that, then run it. -->\n"


def described(text):
    """What stands after `# --` above a key, by the key's path; a comment may go on over several lines."""
    found, path, comment = {}, [], None
    for line in text.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        bare = line.strip()
        if bare.startswith("# -- "):
            comment = bare[5:]
        elif bare.startswith("# ") and comment is not None:
            comment += " " + bare[2:]
        elif match := re.match(r"([A-Za-z][\w.]*):", bare):
            path = [*path[:depth], match[1]]
            if comment is not None:
                found[tuple(path)] = comment
            comment = None
        elif not bare.startswith("- "):
            comment = None
    return found


def rows(values, found, path=()):
    """A row for every value; maps that are described as a whole are one."""
    for key, value in values.items():
        place = (*path, key)
        is_free = isinstance(value, dict) and (not value or place in found and not any(
            other[: len(place)] == place for other in found if len(other) > len(place)))
        if isinstance(value, dict) and not is_free:
            if place in found:
                yield f"| **`{'.'.join(place)}`** | | {found[place]} |"
            yield from rows(value, found, place)
            continue
        text = found.get(place, "")
        default = json.dumps(value, ensure_ascii=False)
        yield f"| `{'.'.join(place)}` | `{default}` | {text} |"


def undescribed(values, found, path=()):
    """Values that neither they themselves nor what they stand in says anything of."""
    for key, value in values.items():
        place = (*path, key)
        if place in found:
            continue
        if isinstance(value, dict) and value:
            yield from undescribed(value, found, place)
        else:
            yield ".".join(place)


def readme(chart):
    text = (chart / "values.yaml").read_text()
    found = described(text)
    lines = ["| value | default | what it is |", "|---|---|---|", *rows(yaml.safe_load(text), found)]
    head = (chart / "README.md").read_text().split(MARK)[0]
    return head + MARK + "\n" + "\n".join(lines) + "\n", list(undescribed(yaml.safe_load(text), found))


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    made, silent = readme(folder)
    if silent:
        sys.exit(f"values without a description: {', '.join(silent)}")
    if "--check" not in sys.argv:
        (folder / "README.md").write_text(made)
    elif made != (folder / "README.md").read_text():
        sys.exit("helm/sealgate/README.md is stale: run tests/helm/readme.py helm/sealgate")
