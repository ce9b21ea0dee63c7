"""CPU time of the template of one message, for texts that make patterns backtrack.

    python -m benchmarks.message_templates

Each message repeats a short unit up to `--length` characters. The limit holds for 20,000 characters; ten times the
length must not take longer, because a template reads a bounded part of its message.
"""

from __future__ import annotations

import argparse
import time

from workflow_monitor.domain.message_template import message_template

LIMIT_MS = 5.0
UNITS = (
    *(
        "a.",
        "a-",
        "a_1-",
        "1,",
        "1 ",
        "1.1.",
        "1:",
        "::",
        "a1 ",
        "0x1 ",
        "a=1;",
        "a[1,",
        "(1",
        "/",
        "/(",
        "[",
        "\x1b[@",
    ),
    *("http://", "h://(", "12 Jan ", "2021-", "12:", "pod a-", "error 1 ", "é", "a ", "word " * 50, "b2-" * 80 + " "),
)


def milliseconds(message: str) -> float:
    """Return the CPU time of one template, the least of three runs."""
    times = []
    for _ in range(3):
        started = time.process_time()
        message_template(message)
        times.append(time.process_time() - started)
    return 1000 * min(times)


def main() -> None:
    """Run it and print a report in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, default=20_000)
    length = parser.parse_args().length
    print(
        f"| unit | {length:,} characters, ms (limit {LIMIT_MS}) | {10 * length:,} characters, ms |\n| --- | --- | --- |"
    )
    for unit in UNITS:
        short, long = ((unit * size)[:size] for size in (length, 10 * length))
        print(f"| `{unit[:20]!r}` | {milliseconds(short):.2f} | {milliseconds(long):.2f} |")


if __name__ == "__main__":
    main()
