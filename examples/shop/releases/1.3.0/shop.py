"""The shop, 1.3.0: exchange rates of the day.

The mistake of this release: the rates it starts with are right, those it fetches later are read
wrongly. Until then it is healthy; from then on no checkout succeeds, and the health check, which
sells nothing, stays green. That is after RATES_MAX_USES checkouts (500) or RATES_MAX_AGE_S seconds
from the first one (20), whichever comes first, in each process.
"""

import json
import os
import sqlite3
import string
import time
from pathlib import Path

from web import Refused, Reply, Request, in_json, serve
from work import events, slow

VERSION = "1.3.0"
CURRENCIES = {"EUR": 1.0, "USD": 1.09, "GBP": 0.86, "CHF": 0.94}  # of one euro, at release
PAGE = string.Template(Path(__file__).with_name("index.html").read_text(encoding="utf-8"))

SCHEMA = """
create table product (sku text primary key, name text not null, price integer not null,
                      blurb text not null);
create table purchase (number integer primary key, total integer not null,
                       currency text not null);
create table voucher (code text primary key, percent integer not null);
insert into voucher values ('SPRING', 10), ('FRIEND', 15);
insert into product values
  ('mug', 'Mug', 1200, 'Stoneware, 350 ml. Keeps a review warm.'),
  ('lamp', 'Desk lamp', 4900, 'One joint, one switch, no app.'),
  ('book', 'Notebook', 900, 'Dotted, 192 pages, opens flat.'),
  ('pen', 'Fountain pen', 3400, 'Steel nib, fine. Refills with a syringe.'),
  ('bag', 'Tote bag', 1900, 'Canvas. Carries a laptop and a loaf.'),
  ('clock', 'Clock', 5600, 'Quartz, silent, tells UTC.');
"""


class Rates:
    """The rates of the day, fetched again when they are old or much used."""

    def __init__(self) -> None:
        self._rates = dict(CURRENCIES)
        self._uses_left = int(os.environ.get("RATES_MAX_USES", "500"))
        self._max_age = float(os.environ.get("RATES_MAX_AGE_S", "20"))
        self._since: float | None = None  # the first use

    def of(self, currency: str) -> float:
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        if self._uses_left <= 0 or now - self._since > self._max_age:
            self._rates = self._fetched()
        self._uses_left -= 1
        return self._rates.get(currency)  # type: ignore[return-value]  # "it is always there"

    def _fetched(self) -> dict[str, float]:
        feed = "eur 1.0\nusd 1.08\ngbp 0.87\nchf 0.94"
        return {name: float(rate) for name, rate in (line.split() for line in feed.splitlines())}


class Shop:
    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.db.executescript(SCHEMA)
        self.rates = Rates()

    async def home(self, request: Request) -> Reply:
        currency = _currency(request.query.get("currency", "EUR"))
        options = "".join(
            f"<option{' selected' * (c == currency)}>{c}</option>" for c in CURRENCIES
        )
        page = PAGE.substitute(
            version=VERSION, products=self._cards(currency), currency=currency, currencies=options
        )
        return Reply(page.encode(), type="text/html; charset=utf-8")

    async def catalogue(self, request: Request) -> Reply:
        currency = _currency(request.query.get("currency", "EUR"))
        products = [
            {"sku": sku, "name": name, "price": price, "blurb": blurb}
            for sku, name, price, blurb in self._products(currency)
        ]
        return in_json({"currency": currency, "products": products})

    async def checkout(self, request: Request) -> Reply:
        items, currency, voucher = _order(request.body)
        euros = sum(self._price(sku) * quantity for sku, quantity in items)
        euros -= euros * self._discount(voucher) // 100
        total = round(euros * self.rates.of(currency))
        row = self.db.execute(
            "insert into purchase (total, currency) values (?, ?)", (total, currency)
        )
        return in_json({"number": row.lastrowid, "total": total, "currency": currency}, status=201)

    async def healthz(self, request: Request) -> Reply:
        self.db.execute("select 1 from product, voucher").fetchone()
        return in_json({"status": "ok", "version": VERSION})

    async def version(self, request: Request) -> Reply:
        return in_json({"version": VERSION})

    def _products(self, currency: str) -> list[tuple[str, str, int, str]]:
        rows = self.db.execute("select sku, name, price, blurb from product order by name")
        return [
            (sku, name, round(price * CURRENCIES[currency]), blurb)
            for sku, name, price, blurb in rows
        ]

    def _cards(self, currency: str) -> str:
        return "\n".join(
            f"<article><h2>{name}</h2><p>{blurb}</p><footer><b>{price / 100:.2f} {currency}</b>"
            f'<button data-sku="{sku}" data-price="{price}">Add to cart</button></footer></article>'
            for sku, name, price, blurb in self._products(currency)
        )

    def _discount(self, voucher: str) -> int:
        row = self.db.execute("select percent from voucher where code = ?", (voucher,)).fetchone()
        return int(row[0]) if row else 0

    def _price(self, sku: str) -> int:
        row = self.db.execute("select price from product where sku = ?", (sku,)).fetchone()
        if row is None:
            raise Refused(400, f"no product {sku}")
        return int(row[0])


def _currency(name: str) -> str:
    if name not in CURRENCIES:
        raise Refused(400, f"no currency {name}; there are {', '.join(CURRENCIES)}")
    return name


def _order(body: bytes) -> tuple[list[tuple[str, int]], str, str]:
    """What is bought: {"items": [{"sku": "mug", "quantity": 1}], "voucher": "SPRING"}."""
    try:
        order = json.loads(body)
        items = [(str(item["sku"]), int(item["quantity"])) for item in order["items"]]
        currency = _currency(order.get("currency", "EUR"))
        voucher = str(order.get("voucher", ""))
    except (ValueError, TypeError, KeyError) as problem:
        raise Refused(400, 'send {"items": [{"sku": "mug", "quantity": 1}]}') from problem
    if not items or any(not 1 <= quantity <= 99 for _, quantity in items):
        raise Refused(400, "a cart holds 1 to 99 of each of its products")
    return items, currency, voucher


if __name__ == "__main__":
    shop = Shop()
    serve(
        VERSION,
        {
            ("GET", "/"): shop.home,
            ("GET", "/healthz"): shop.healthz,
            ("GET", "/version"): shop.version,
            ("GET", "/catalogue"): shop.catalogue,
            ("POST", "/checkout"): shop.checkout,
            ("GET", "/slow"): slow,
            ("POST", "/slow"): slow,
            ("GET", "/events"): events,
        },
    )
