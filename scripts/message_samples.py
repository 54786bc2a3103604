"""Small messages of one kind for scripts/bench_dictionaries.py: made by seeded generators, or lines of logs."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

LINES = 5  # of a log that are one message
_COUNTRIES = ("DE", "US", "FR", "GB", "IN", "BR", "JP", "PL")
_EVENTS = ("order.created", "order.paid", "cart.updated", "user.login", "user.logout", "shipment.sent")
_TAGS = ("new", "vip", "gift", "express", "returned", "b2b")
_LEVELS = ("INFO", "INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR")
_SERVICES = ("gateway", "billing", "catalogue", "search", "mailer")


def _time(drawing: random.Random, at: int) -> str:
    day, seconds = divmod(at + drawing.randrange(20), 86400)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"2026-11-{1 + day % 28:02}T{clock}.{drawing.randrange(1000):03}Z"


def events(drawing: random.Random, words: list[str], at: int) -> str:
    """Return an event of a shop as JSON."""
    names = [drawing.choice(words).lower() for _ in range(2)]
    items = [
        {
            "sku": f"SKU-{drawing.randint(1, 400):05}",
            "quantity": drawing.randint(1, 5),
            "price": {"amount": drawing.randint(99, 99999) / 100, "currency": drawing.choice(("EUR", "USD"))},
            "title": " ".join(drawing.choices(words, k=drawing.randint(2, 5))),
        }
        for _ in range(drawing.randint(1, 6))
    ]
    return json.dumps(
        {
            "id": f"{drawing.getrandbits(128):032x}",
            "type": drawing.choice(_EVENTS),
            "created_at": _time(drawing, at * 37),
            "user": {
                "id": drawing.randint(1000, 99999),
                "country": drawing.choice(_COUNTRIES),
                "email": f"{'.'.join(names)}@example.{drawing.choice(('com', 'org', 'net'))}",
            },
            "items": items,
            "note": " ".join(drawing.choices(words, k=drawing.randint(0, 25))),
            "tags": drawing.sample(_TAGS, drawing.randint(0, 3)),
        }
    )


def pages(drawing: random.Random, words: list[str], at: int) -> str:
    """Return the page of an article of a shop as HTML."""
    title = " ".join(drawing.choices(words, k=drawing.randint(2, 4))).title()
    number = drawing.randint(1, 5000)
    rows = ""
    for _ in range(drawing.randint(2, 6)):
        amount = f"{drawing.randint(1, 900)} {drawing.choice(('mm', 'g', 'W'))}"
        rows += f"      <tr><th>{drawing.choice(words)}</th><td>{amount}</td></tr>\n"
    text = " ".join(drawing.choices(words, k=drawing.randint(15, 60))).capitalize()
    return f"""<!DOCTYPE html>
<html lang="en">
  <head><meta charset="utf-8"><title>{title} | Shop</title><link rel="stylesheet" href="/static/main.css"></head>
  <body class="product">
    <nav><a href="/">Home</a> &gt; <a href="/c/{drawing.randint(1, 60)}">{drawing.choice(words)}</a></nav>
    <h1 id="p{number}">{title}</h1>
    <img src="/images/{number}/large.webp" alt="{title}" width="640" height="480">
    <p class="price">{drawing.randint(99, 99999) / 100:.2f} &euro;</p>
    <p class="description">{text}.</p>
    <table class="details">
{rows}    </table>
    <form action="/cart" method="post"><input type="hidden" name="article" value="{number}"><button>Buy</button></form>
  </body>
</html>
"""


def log_lines(drawing: random.Random, words: list[str], at: int) -> str:
    """Return some lines of a service's log."""
    lines = []
    for i in range(LINES):
        service = f"{drawing.choice(_SERVICES)}-{drawing.randint(1, 4)}"
        head = f"{_time(drawing, at * 11 + i)} {drawing.choice(_LEVELS)} [{service}]"
        lines.append(
            drawing.choice(
                (
                    f"GET /api/v2/articles/{drawing.randint(1, 5000)} 200 {drawing.randint(1, 900)}ms "
                    f"client=10.0.{drawing.randint(0, 9)}.{drawing.randint(1, 254)}",
                    f"POST /api/v2/orders 201 {drawing.randint(5, 2000)}ms request={drawing.getrandbits(48):012x}",
                    f"connection to db-{drawing.randint(1, 3)}.internal:5432 took {drawing.randint(1, 90)} ms",
                    f"user {drawing.randint(1000, 99999)} logged in from {drawing.choice(_COUNTRIES)}",
                    f"queue mail has {drawing.randint(0, 300)} messages, oldest {drawing.randint(0, 90)} s",
                    f"retry {drawing.randint(1, 5)}/5 of job {drawing.choice(words).lower()}-{drawing.randint(1, 999)}",
                )
            )
        )
        lines[-1] = f"{head} {lines[-1]}\n"
    return "".join(lines)


GENERATORS: dict[str, Callable[[random.Random, list[str], int], str]] = {
    "events, JSON": events,
    "pages, HTML": pages,
    "log lines": log_lines,
}


def generated(name: str, n: int, text: str, seed: int = 1) -> list[bytes]:
    """Return n messages of a kind; text: where their words are from."""
    drawing = random.Random(f"{name} {seed}")
    words = sorted({word for word in text.split() if word.isalpha()})
    return [GENERATORS[name](drawing, words, at).encode() for at in range(n)]


def of_log(path: Path) -> list[bytes]:
    """Return a log in messages of some lines each."""
    lines = path.read_bytes().splitlines(keepends=True)
    return [b"".join(lines[at : at + LINES]) for at in range(0, len(lines), LINES)]
