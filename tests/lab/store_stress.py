"""The store under stress: many processes that write, readers that check every moment, and kill -9 at any moment.

The test suite uses it small. In full: `python tests/lab/store_stress.py --processes 64 --writes 1000 --kills 1000`.

What is written has rules that hold at every moment, so that a reader can tell a listing that is not of one moment:

    counter        {"n": how many times it was raised}: a lost update shows at the end
    chain-0 ... 4  raised one after the other: never do two neighbours differ by more than one, nor a later one lead
    token-0 ... 6  exactly one of them exists: it is renamed to the next
    left, right    at least one of them exists: the other is made before one is removed
    own-WORKER     how far the worker has come, with padding whose length it tells: a torn file shows
"""

import argparse
import os
import random
import select
import signal
import sys
import tempfile
import threading
import time
import traceback

from kimchictl import files
from kimchictl.store import FileStore, Layer

CHAIN, TOKENS = 5, 7


def store_in(directory, timeout=900.0):
    """With patience: that the store is slow on a busy machine is no failure."""
    return FileStore("templates", [Layer(directory, "site", True)], timeout)


def begin(store):
    with store.session() as session:
        for name in ["counter", "token-0", "left", *(f"chain-{i}" for i in range(CHAIN))]:
            session.put(name, {"n": 0})


def work_of(kind, worker, number):
    """The change number `number` of a worker, as a function of a session. `kind` picks one; each is one write."""
    return (raise_counter, raise_chain, pass_token, step_over, lambda session: note_own(session, worker, number))[kind]


def raise_counter(session):
    session.put("counter", {"n": session.get("counter").data["n"] + 1})


def raise_chain(session):
    links = [session.get(f"chain-{i}").data["n"] for i in range(CHAIN)]
    behind = next((i for i in range(CHAIN) if links[i] < links[0]), 0)
    session.put(f"chain-{behind}", {"n": links[behind] + 1})


def pass_token(session):
    token = next(name for name in session.listing.documents if name.startswith("token-"))
    data = session.get(token).data
    session.rename(token, f"token-{(int(token[6:]) + 1) % TOKENS}", {"n": data["n"] + 1})


def step_over(session):
    feet = [name for name in ("left", "right") if session.find(name)]
    if len(feet) == 1:
        session.put("right" if feet == ["left"] else "left", {"n": session.get(feet[0]).data["n"] + 1}, expect=None)
    else:
        session.delete(min(feet, key=lambda name: session.get(name).data["n"]))


def note_own(session, worker, number):
    length = random.randrange(5000)  # noqa: S311
    session.put(f"own-{worker}", {"n": number, "length": length, "padding": "x" * length})


def problems(listing):
    """What no moment of the store may look like; empty when all rules hold."""
    documents = {name: document.data for name, document in listing.documents.items()}
    found = [str(file) for file in listing.damaged]
    links = [documents.get(f"chain-{i}", {"n": None})["n"] for i in range(CHAIN)]
    if None in links or sorted(links, reverse=True) != links or links[0] - links[-1] > 1:
        found.append(f"the chain is {links}")
    tokens = [name for name in documents if name.startswith("token-")]
    if len(tokens) != 1:
        found.append(f"the tokens are {tokens}")
    if "counter" not in documents or not ("left" in documents or "right" in documents):
        found.append(f"lost: only {sorted(documents)}")
    whole = (len(data.get("padding", "")) == data.get("length", 0) for data in documents.values())
    return found if all(whole) else [*found, "a document is torn"]


def totals(listing):
    """How often each kind of write was done, as the documents tell."""
    data = {name: document.data["n"] for name, document in listing.documents.items()}
    feet = [data[name] for name in ("left", "right") if name in data]
    return [
        data["counter"],
        sum(data[f"chain-{i}"] for i in range(CHAIN)),
        next(n for name, n in data.items() if name.startswith("token-")),
        2 * max(feet) - (len(feet) == 2),
    ]


def forked(work):
    """The pid of a forked child that does `work` and exits: 0, or 1 with a traceback."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def write_many(directory, worker, writes):
    store = store_in(directory)
    for number in range(1, writes + 1):
        with store.session() as session:
            work_of(number % 5, worker, number)(session)


def write_in_threads(directory, process, threads, writes):
    failed = []

    def work(worker):
        try:
            write_many(directory, worker, writes)
        except BaseException as error:
            failed.append(error)

    running = [threading.Thread(target=work, args=(f"{process}-{number}",)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if failed:
        raise failed[0]


def read_until(directory, stop, seen):
    """Lists until `stop` becomes readable; writes how many listings it saw to `seen`. Fails on the first bad moment."""
    store, count = store_in(directory), 0
    while not select.select([stop], [], [], 0)[0]:
        if found := problems(store.read()):
            raise AssertionError(found)
        count += 1
        time.sleep(0.005)
    os.write(seen, b"%d\n" % count)


def crowd(directory, processes, threads, writes, readers):
    """Many writers with readers beside them; returns how many listings were seen. Raises AssertionError."""
    store = store_in(directory)
    begin(store)
    stop, stopping = os.pipe()
    seen, seeing = os.pipe()
    reading = [forked(lambda: read_until(directory, stop, seeing)) for _ in range(readers)]
    writing = [forked(lambda p=p: write_in_threads(directory, p, threads, writes)) for p in range(processes)]
    failed = [child for child in writing if os.waitpid(child, 0)[1]]
    os.write(stopping, b".")
    failed += [child for child in reading if os.waitpid(child, 0)[1]]
    assert not failed, f"{len(failed)} processes failed"
    listing = store.read()
    kinds = [sum(number % 5 == kind for number in range(1, writes + 1)) for kind in range(4)]
    assert problems(listing) == []
    assert totals(listing) == [count * processes * threads for count in kinds]
    own = [document.data["n"] for name, document in listing.documents.items() if name.startswith("own-")]
    assert own == [max(n for n in range(writes + 1) if n % 5 == 4)] * (processes * threads)
    os.close(seeing)
    with os.fdopen(seen) as lines:
        counts = [int(line) for line in lines]
    for fd in (stop, stopping):
        os.close(fd)
    return sum(counts)


def write_and_tell(directory, acknowledge):
    """Writes for ever; after each change that is done, a byte with its kind goes to `acknowledge`."""
    store, number = store_in(directory), 0
    while True:
        number += 1
        with store.session() as session:
            work_of(number % 5, "killed", number)(session)
            os.write(acknowledge, b"%d" % (number % 5))


def kill_at_random(directory, kills, longest=0.02):
    """Kills a writer `kills` times; nothing that was done is lost, no lock stays. Returns how many writes were done."""
    store = store_in(directory, 5.0)
    begin(store)
    done = 0
    for _ in range(kills):
        before = totals(store.read())
        told, telling = os.pipe()
        child = forked(lambda: write_and_tell(directory, telling))  # noqa: B023
        time.sleep(random.uniform(0, longest))  # noqa: S311
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(telling)
        with os.fdopen(told, "rb") as pipe:
            acknowledged = pipe.read()
        after = store.read()
        assert problems(after) == []
        more = [now - then for now, then in zip(totals(after), before, strict=True)]
        expected = [acknowledged.count(b"%d" % kind) for kind in range(4)]
        extra = [now - then for now, then in zip(more, expected, strict=True)]
        assert sorted(extra) in ([0, 0, 0, 0], [0, 0, 0, 1]), f"{acknowledged!r} was done, and {more} is there"
        done += len(acknowledged)
    with store.session():
        pass
    assert [file for file in os.listdir(directory) if file.startswith(".tmp-")] == []
    return done


def kill_at(point, nth, work):
    """Does `work` in a child that is killed when it comes to `point` the `nth` time; whether it came there."""

    def trace(here, _path):
        nonlocal nth
        nth -= here == point
        if nth == 0 and here == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def killed():
        files.trace = trace
        work()

    status = os.waitstatus_to_exitcode(os.waitpid(forked(killed), 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status != 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--writes", type=int, default=1000, help="of each thread")
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        started = time.monotonic()
        seen = crowd(os.path.join(directory, "a"), options.processes, options.threads, options.writes, options.readers)
        writes = options.processes * options.threads * options.writes
        print(f"{writes} writes, none lost, in {time.monotonic() - started:.0f} s; {seen} listings, each of one moment")
        started = time.monotonic()
        done = kill_at_random(os.path.join(directory, "b"), options.kills)
        print(f"{options.kills} kills among {done} writes, none lost, in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
