"""Features of logs are what their sentences say: an independent twin in SQL, on DuckDB.

  python checks/behaviour.py [TARGET_DIR] [DATA_DIR]

Builds snapshots with `rekindle features` from a simulated log, and from UCI Online Retail where
DATA_DIR (../shared/data without it) has it; reads both logs anew by SQL; and works out every feature of
every family from its definition in the snapshots' metadata, by `models/src/behaviour/metric.rs`. Counts
must be equal, other numbers within 1e-9 of each other. Needs duckdb, numpy and pyarrow: `checks/run`
installs them.
"""
import collections, json, pathlib, re, subprocess, sys, tempfile, time

import duckdb
import numpy as np
import pyarrow.parquet as pq

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target"
DATA = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "../shared/data"
REKINDLE = (TARGET / "debug/rekindle").resolve()
DAY = 86_400_000
COUNTS = {"count", "days", "streak_max", "streak_now", "idle_max", "followed", "baskets", "basket_max",
          "products", "kinds", "channels", "groups", "btyd_x", "btyd_t_x", "btyd_t", "gap_max"}
WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
HOURS = ["night", "morning", "afternoon", "evening"]
# Metrics that no family builds: as features of the user's own.
OWN = """
[[features.own]]
metric = "latest_days"
windows = ["30d"]
[[features.own]]
metric = "earliest_days"
windows = ["90d"]
[[features.own]]
metric = "followed"
of = { kinds = ["purchase"] }
with = { kinds = ["return"] }
windows = ["90d"]
[[features.own]]
metric = "share"
of = { kinds = ["purchase"], min_amount = 5, below_amount = 60 }
measure = "MEASURE"
windows = ["90d"]
[[features.own]]
metric = "acceleration"
of = { kinds = ["purchase"] }
measure = "amount"
windows = ["30d", "90d", "180d"]
"""


class Twin:
    """The features of the rows of a snapshot, over `log`: a relation with customer, t (milliseconds),
    received, kind, channel, product_group, product and measures."""

    def __init__(self, db, spec, cutoffs, customers):
        self.db, self.spec, self.rows, self.known = db, spec, len(customers), {}
        zone = spec["timezone"]
        db.execute("create or replace table rows (i integer, customer varchar, cutoff bigint)")
        place = np.arange(self.rows)
        given = {"i": place, "customer": np.array(customers, dtype=object), "cutoff": cutoffs}
        db.register("given", {k: np.asarray(v) for k, v in given.items()})
        db.execute("insert into rows select i, customer, cutoff from given")
        local = f"(make_timestamptz({{}} * 1000) at time zone '{zone}')"
        db.execute(f"""create or replace table history as
            select i, cutoff, log.*, {local.format('t')} as clock,
                   datediff('day', date '1970-01-01', {local.format('t')}::date) as day,
                   datediff('day', date '1970-01-01', {local.format('(cutoff - 1)')}::date) as today
            from rows join log using (customer) where t < cutoff and received < cutoff""")
        today = f"datediff('day', date '1970-01-01', {local.format('(cutoff - 1)')}::date)"
        self.today = self.column(f"select i, {today} from rows")
        self.cutoff = np.asarray(cutoffs, float)

    def column(self, query, empty=np.nan):
        """Numbers by row, `empty` for rows that the query does not tell."""
        if query not in self.known:
            found = self.db.execute(query).fetchnumpy()
            place, value = found.values()
            numbers = np.full(self.rows, np.nan)
            numbers[place] = np.ma.filled(value.astype(float), np.nan)
            told = np.zeros(self.rows, bool)
            told[place] = True
            self.known[query] = numbers, told
        numbers, told = self.known[query]
        return np.where(told, numbers, empty)

    def of(self, what, where, window, empty=np.nan):
        return self.column(f"select i, {what} from history where {where} and {within(window)} group by i",
                           empty)

    def days(self, what, where, window, empty=np.nan):
        """Something of the gaps between successive days."""
        return self.column(
            f"""select i, {what} from (select i, day - lag(day) over (partition by i order by day) as gap
                from (select distinct i, day from history where {where} and {within(window)}))
                where gap is not null group by i""", empty)

    def runs(self, where, window):
        """The longest run of successive days, and the last one."""
        runs = f"""select i, run, count(*) as n from (select i, day,
                       day - row_number() over (partition by i order by day) as run
                   from (select distinct i, day from history where {where} and {within(window)}))
                   group by i, run"""
        return (self.column(f"select i, max(n) from ({runs}) group by i", 0.0),
                self.column(f"select i, arg_max(n, run) from ({runs}) group by i", 0.0))

    def entropy(self, part, where, window):
        return self.column(
            f"""select i, -sum(p * log2(p)) from (select i, count(*) / sum(count(*)) over (partition by i)
                as p from history where {where} and {within(window)} group by i, {part}) group by i""")

    def followed(self, first, then, window):
        return self.column(
            f"""select i, count(*) from history as a where {first} and {within(window)} and exists
                (select 1 from history as b where b.i = a.i and b.t > a.t and b.t - a.t <= {DAY} and
                 {then}) group by i""", 0.0)

    def number(self, feature):
        """The feature's numbers by row."""
        metric, windows = feature["metric"], feature.get("windows", ["all"])
        window, measure = windows[0], feature.get("measure")
        where = passes(feature.get("of", {}))
        than = passes(feature.get("with") or {})
        amount = f'"{measure or "amount"}"'
        count = lambda where, window: self.of("count(*)", where, window, 0.0)
        total = lambda where, window: self.of(f"coalesce(sum({amount}), 0)", where, window, 0.0)
        size = total if measure else count
        since = lambda time: (self.cutoff - time) / DAY
        days = self.of("count(distinct day)", where, window, 0.0)
        trend = lambda a, b: size(where, a) / length(a) - (
            (size(where, b) - size(where, a)) / (length(b) - length(a)))
        match metric:
            case "count": return count(where, window)
            case "days": return days
            case "share": return over(size(where, window), size("true", window))
            case "rate": return over(size(where, window), size(than, window))
            case "sum": return total(where, window)
            case "mean": return self.of(f"avg({amount})", where, window)
            case "max" | "min": return self.of(f"{metric}({amount})", where, window)
            case "spread": return self.of(f"stddev_samp({amount})", where, window)
            case "recency_days" | "latest_days": return since(self.of("max(t)", where, window))
            case "first_days" | "earliest_days": return since(self.of("min(t)", where, window))
            case "gap_mean": return self.days("avg(gap)", where, window)
            case "gap_median": return self.days("median(gap)", where, window)
            case "gap_spread": return self.days("stddev_samp(gap)", where, window)
            case "gap_max": return self.days("max(gap)", where, window)
            case "gap_ratio":
                return since(self.of("max(t)", where, "all")) / self.days("avg(gap)", where, window)
            case "ratio": return over(size(where, window), size(where, windows[1]))
            case "trend": return trend(*windows)
            case "acceleration": return trend(*windows[:2]) - trend(*windows[1:])
            case "streak_max": return self.runs(where, window)[0]
            case "streak_now": return self.runs(where, "all")[1]
            case "idle_max":
                now = self.today - self.of("max(day)", where, "all")
                return np.maximum(now, self.days("max(gap)", where, window, 0.0))
            case "weekday_share":
                day = WEEK.index(feature["part"]) + 1
                return over(count(f"{where} and isodow(clock) = {day}", window), count(where, window))
            case "hour_share":
                part = HOURS.index(feature["part"])
                return over(count(f"{where} and hour(clock) // 6 = {part}", window), count(where, window))
            case "weekday_entropy": return self.entropy("isodow(clock)", where, window)
            case "hour_entropy": return self.entropy("hour(clock)", where, window)
            case "followed": return self.followed(where, than, window)
            case "followed_share": return over(self.followed(where, than, window), count(where, window))
            case "baskets": return self.of("count(distinct t)", where, window, 0.0)
            case "basket_mean": return self.of("count(*) / count(distinct t)", where, window)
            case "basket_max":
                return self.column(f"""select i, max(n) from (select i, count(*) as n from history where
                    {where} and {within(window)} group by i, t) group by i""", 0.0)
            case "basket_value": return self.of(f"sum({amount}) / count(distinct t)", where, window)
            case "price_level":
                return self.of(f"avg({amount})", where, window) / self.of(f"avg({amount})", where, "all")
            case "products": return self.of("count(distinct product)", where, window, 0.0)
            case "variety":
                return over(self.of("count(distinct product)", where, window),
                            self.of("count(product)", where, window))
            case "repeat_share":
                # Lines of one instant have an order too: all but the very first are repeats.
                return self.column(f"""select i, avg((n > 1)::int) from (select *,
                    row_number() over (partition by i, product order by t) as n
                    from history where {where} and product is not null)
                    where {within(window)} group by i""")
            case "kinds" | "channels" | "groups":
                name = {"kinds": "kind", "channels": "channel", "groups": "product_group"}[metric]
                name = f"case when {name} is null or {name} in ({texts(self.spec[metric])}) then {name} else '' end"
                return self.of(f"count(distinct {name})", where, window, 0.0)
            case "frequency":
                return days * 30 / np.maximum(since(self.of("min(t)", where, window)), 1)
            case "monetary": return over(total(where, window), days)
            case "btyd_x": return self.of("count(distinct day) - 1", where, "all")
            case "btyd_t_x": return self.of("max(day) - min(day)", where, "all")
            case "btyd_t": return self.today - self.of("min(day)", where, "all")
        raise SystemExit(f"checks/behaviour.py knows no metric {metric!r}: teach it")


def length(window):
    return float(window.removesuffix("d"))


def within(window):
    return "true" if window == "all" else f"cutoff - t <= {int(length(window)) * DAY}"


def over(above, below):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below == 0, np.nan, above / below)


def texts(names):
    """Names as a list in SQL; never an empty one."""
    return ", ".join("'" + name.replace("'", "''") + "'" for name in names) or "null"


def passes(selector):
    """What a selector lets pass, as a condition."""
    parts = ["true"]
    for key, column in [("kinds", "kind"), ("channels", "channel"), ("groups", "product_group"),
                        ("products", "product")]:
        if selector.get(key):
            parts.append(f"{column} in ({texts(selector[key])})")
    if selector.get("min_amount") is not None:
        parts.append(f"history.amount >= {selector['min_amount']}")
    if selector.get("below_amount") is not None:
        parts.append(f"history.amount < {selector['below_amount']}")
    return " and ".join(parts)


def compare(log, db, snapshots):
    """Compares a snapshot with its twin; returns how many features and what differs."""
    start = time.monotonic()
    file = pq.ParquetFile(snapshots)
    about = json.loads(file.metadata.metadata[b"rekindle.snapshot"])
    features = about["features"]["features"]
    table = file.read()
    cutoffs = table["cutoff"].cast("int64").to_numpy()
    twin = Twin(db, about["features"], cutoffs, table["customer_id"].to_pylist())
    worst, differ, seen = 0.0, [], collections.Counter()
    names = table.column_names[2:2 + len(features)]
    for name, feature in zip(names, features):
        seen[feature["metric"]] += 1
        found = table[name].to_numpy().astype(float)
        expected = twin.number(feature)
        exact = feature["metric"] in COUNTS
        both_missing = np.isnan(found) & np.isnan(expected)
        # Differences of sums have no digits of their own: those below 1e-9 are none.
        near = np.maximum(1.0, np.maximum(abs(found), abs(expected)))
        error = np.where(both_missing, 0.0, np.where(found == expected, 0.0, abs(found - expected) / near))
        bad = np.isnan(error) | (error > (0.0 if exact else 1e-9))
        worst = max(worst, float(np.nanmax(error, initial=0.0)))
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            differ.append(f"{name}: {int(bad.sum())} rows differ; customer {table['customer_id'][row]} at "
                          f"{table['cutoff'][row]}: {found[row]!r}, expected {expected[row]!r}")
    print(f"{log}: {len(features)} features of {len(seen)} metrics, {table.num_rows} rows, "
          f"{len(set(cutoffs.tolist()))} cutoffs: {len(differ)} differ, worst error {worst:.1e} "
          f"({time.monotonic() - start:.1f} s)")
    return seen, differ


def features(project, snapshots, *words):
    subprocess.run([REKINDLE, "--quiet", "features", project, "-o", snapshots, *words], check=True,
                   stdout=subprocess.DEVNULL)


def simulated(folder):
    """A simulated log, with received times, products, groups, channels and discounts."""
    log = folder / "events.csv"
    subprocess.run([REKINDLE, "--quiet", "simulate", "--customers", "500", "--days", "400", "-o", log],
                   check=True, stdout=subprocess.DEVNULL)
    (folder / "project.toml").write_text("""
[[source]]
path = "events.csv"
customer = "customer_id"
time = "time"
kind = "kind"
amount = "amount"
product = "product"
product_group = "product_group"
channel = "channel"
received_at = "received_at"
measures = { discount = "discount" }
[log]
timezone = "Europe/Paris"
[panel]
cutoffs = ["2024-08-01", "2024-12-01T12:00:00Z"]
[targets.churned]
horizon = "30d"
[features]
max_kinds = 8
max_channels = 2
max_groups = 3
""" + OWN.replace("MEASURE", "discount"))
    features(folder / "project.toml", folder / "simulated.parquet")
    db = duckdb.connect()
    db.execute("set timezone = 'UTC'")
    db.execute(f"""create table log as select customer_id as customer, epoch_ms(time::timestamptz) as t,
        epoch_ms(coalesce(received_at, time)::timestamptz) as received,
        if(kind = 'purchase' and amount::double < 0, 'return', kind) as kind,
        channel, product_group, product, amount::double as amount, discount::double as discount
        from read_csv('{log}', all_varchar = true, header = true)""")
    return compare("simulated log", db, folder / "simulated.parquet")


def online_retail(folder):
    """UCI Online Retail, by the project that is kept with the tests."""
    spec = (ROOT / "tests/specs/online_retail_uci.toml").read_text()
    cutoffs = '[panel]\ncutoffs = ["2011-03-27T12:00:00", "2011-08-09"]\n\n'
    spec = re.sub(r"\[panel\][^\[]*", cutoffs, spec)
    # Whole numbers: purchases and returns of money may add up to a rounding error, which is not 0.
    spec = spec.replace("[features]\n", "[features]\n" + OWN.replace("MEASURE", "quantity"))
    (folder / "retail.toml").write_text(spec)
    features(folder / "retail.toml", folder / "retail.parquet", "--data", DATA / "online_retail_uci")
    db = duckdb.connect()
    db.execute(f"""create table log as with lines as (select CustomerID as customer, StockCode as product,
        epoch_ms(InvoiceDate::timestamp at time zone 'Europe/London') as t, Quantity::double as quantity,
        Quantity::double * UnitPrice::double as amount, starts_with(InvoiceNo, 'C') as cancelled
        from read_csv('{DATA}/online_retail_uci/online_retail.csv.gz', all_varchar = true, header = true)
        where CustomerID is not null)
        select *, t as received, if(cancelled or amount < 0, 'return', 'purchase') as kind,
        null::varchar as channel, null::varchar as product_group from lines""")
    return compare("UCI Online Retail", db, folder / "retail.parquet")


def main():
    seen, differ = collections.Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        for log in [simulated, online_retail]:
            if log is online_retail and not (DATA / "online_retail_uci/online_retail.csv.gz").is_file():
                print("UCI Online Retail: SKIPPED, it is not beside the repository")
                continue
            more, faults = log(pathlib.Path(folder))
            seen += more
            differ += faults
    metrics = (ROOT / "models/src/behaviour/metric.rs").read_text()
    unseen = [word for word in re.findall(r'\bof\("(\w+)", "', metrics) if word not in seen]
    if unseen:
        differ.append(f"metrics that no log was compared by: {', '.join(unseen)}")
    for line in differ[:40]:
        print(line)
    if differ:
        sys.exit(f"{len(differ)} differences between `rekindle features` and SQL")


main()
