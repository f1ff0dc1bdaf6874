"""What features and scores of many customers would cost on many machines: `python benches/cluster/model.py`.

Nothing here is measured but what says so; change an assumption and look again.
"""
from math import ceil

# Measured by run.py on one thread (docs/cluster.md): seconds of a core, and bytes.
READ = 0.56e-6           # an event read, packed and sent
GATHER = 0.06e-6         # an event gathered and kept
BUILD = 8.5e-6           # a row of 285 features built
SCORE = 7.5e-6           # a row of 285 features scored
EVENT_READ = 10.1        # an event in the log's Parquet
EVENT_SENT = 12.9        # an event on its way, and while it is kept
ROW_WRITTEN = 280        # a row of 285 features in Parquet
SCORE_WRITTEN = 12       # a customer's score in Parquet

# Assumed of the customers.
CUSTOMERS = 1e9
EVENTS = 20              # of each
ROWS = 1                 # of each: one cutoff, all have a history

# Assumed of the machines.
EXECUTORS, THREADS = 100, 2
CORE = 1.0               # a core is as quick as the one that was measured
STORE = 200e6            # bytes a second that a machine reads from or writes to the object store
NETWORK = 1.25e9 * 0.5   # bytes a second between machines: half of 10 Gbit/s
TASK = 0.05              # seconds between two tasks of a thread
PARTS = 256              # as many as there may be

# Assumed of the prices, in dollars.
CORE_HOUR = 0.05
STORE_MONTH = 0.023e-9   # of a byte
REQUESTS = 5e-6          # of a PUT or LIST; GETs cost a tenth

threads = EXECUTORS * THREADS
events, rows = CUSTOMERS * EVENTS, CUSTOMERS * ROWS


def step(name, work, tasks, read=0.0, sent=0.0, written=0.0):
    """A step's seconds: tasks come in waves; a machine computes, then waits for store and network."""
    waves = ceil(tasks / threads)
    compute = work / CORE / tasks * waves + TASK * waves
    moved = (read + written) / EXECUTORS / STORE + sent / EXECUTORS / NETWORK
    print(f"| {name} | {tasks:,} | {work / 3600:,.1f} | {read / 1e9:,.0f} | {sent / 1e9:,.0f} | {written / 1e9:,.0f} | {compute + moved:,.0f} |")
    return compute + moved


pieces = ceil(events * EVENT_READ / (64 << 20))
print("| step | tasks | core hours | GB read | GB sent | GB written | seconds |\n|---|---|---|---|---|---|---|")
total = step("read and pack", events * READ, pieces, read=events * EVENT_READ)
total += step("gather", events * GATHER, PARTS, sent=events * EVENT_SENT, written=events * EVENT_SENT)
total += step("build", rows * BUILD, PARTS, read=events * EVENT_SENT, written=rows * ROW_WRITTEN)
total += step("score", rows * SCORE, PARTS, read=rows * ROW_WRITTEN, written=rows * SCORE_WRITTEN)
hours = total / 3600
kept = rows * (ROW_WRITTEN + SCORE_WRITTEN)
print(f"\n{CUSTOMERS:,.0f} customers, {events:,.0f} events, {EXECUTORS} executors of {THREADS} threads: {total / 60:.1f} minutes, "
      f"{hours * threads:.1f} core hours paid, ${hours * threads * CORE_HOUR:.2f} for cores, "
      f"${(pieces + 6 * PARTS) * REQUESTS:.2f} for requests, ${kept * STORE_MONTH:.2f} a month for {kept / 1e9:,.0f} GB kept")
part = events / PARTS
print(f"a part: {part / 1e6:,.0f} million events, {part * EVENT_SENT / 1e9:.1f} GB packed, {part * 46 / 1e9:.1f} GB unpacked (what is over "
      f"--memory-limit is on disk)")
