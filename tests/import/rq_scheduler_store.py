"""Fills a Redis with jobs, as rq-scheduler's own class writes them: `rq_scheduler_store.py SOCKET LINES`."""
import json
import os
import pickle
import sys
import warnings
import zlib
from datetime import datetime, timedelta

from redis import Redis
from rq_scheduler import Scheduler

warnings.simplefilter("ignore")
socket, lines = sys.argv[1:]
redis = Redis(unix_socket_path=socket)
SETTINGS = [
    {}, {"args": [1, "é☃ {{ user }}", None, [2.5, {"a": []}]]}, {"kwargs": {"ключ": "🎉", "n": 2**53}},
    {"timeout": 300}, {"timeout": "1h"}, {"result_ttl": 60}, {"ttl": 90}, {"meta": {"campaign": "spring"}},
    {"id": "chosen-name"}, {"description": "Every so often."}, {"args": [(1, 2)]}, {"args": [b"bytes"]},
    {"args": [{1, 2}]}, {"kwargs": {"when": datetime(2026, 1, 1)}}, {"args": [2**70]}, {"args": [{1: 2}]},
    {"queue_name": "mail"}, {"timeout": -1}, {"at_front": True}, {"args": [float("inf")]}, {"args": [2**53]},
]


class Bomb:
    def __reduce__(self):
        return (os.system, ("touch " + socket + ".harmed",))


def main():
    scheduler = Scheduler(queue_name="low-é", connection=redis)
    made, refused = 0, []

    def settings():
        nonlocal made
        made += 1
        chosen = dict(SETTINGS[made % len(SETTINGS)])
        if "id" in chosen:
            chosen["id"] += f"-{made}"
        return chosen

    for index, line in enumerate(json.load(open(lines))["crontab"]):
        try:
            scheduler.cron(line, "shop.tasks.poll", use_local_timezone=bool(index % 2),
                           repeat=index % 9 or None, **settings())
        except Exception as error:
            refused.append(f"{line}: {error}")
    now = datetime.utcnow()
    for seconds in (1, 5, 30, 60, 90, 3600, 86400, 604800, 1000):
        for begin in (-3, 5, 100 * seconds):
            for repeat in (None, 1, 7):
                scheduler.schedule(now + timedelta(seconds=begin), "shop.tasks.poll", interval=seconds,
                                   repeat=repeat, **settings())
    for days in (-1, 1, 30, 400):
        scheduler.enqueue_at(now + timedelta(days=days), "shop.tasks.remind", days, note="é")
        made += 1
    more = 0
    while made < 197:
        scheduler.cron(f"{more % 60} {more % 24} * * {more % 7}", "shop.tasks.poll", **settings())
        more += 1
    # What no scheduler writes.
    for name, data in {
        "bomb": zlib.compress(pickle.dumps(("shop.tasks.poll", None, (Bomb(),), {}))),
        "truncated": zlib.compress(pickle.dumps(("shop.tasks.poll", None, (), {})))[:-9],
        "nothing": b"",
    }.items():
        redis.zadd("rq:scheduler:scheduled_jobs", {name: 1900000000})
        redis.hset(f"rq:job:{name}", mapping={
            "data": data, "origin": "mail", "description": "shop.tasks.poll()", "meta": pickle.dumps({"interval": 60}),
        })
        made += 1
    call = ("shop.tasks.poll", None, (), {})
    for name, due, job in [
        ("texts", 1900000000, {"meta": pickle.dumps({"interval": "60", "repeat": "3"})}),
        ("never", float("inf"), {}),
        ("two lines", 1900000000, {"origin": "two\nlines"}),
        ("json", 1900000000, {"data": zlib.compress(json.dumps(call).encode())}),
        ("no list", 1900000000, {"data": zlib.compress(pickle.dumps((call[0], None, "abc", {})))}),
        ("old pickle", 1900000000, {"meta": pickle.dumps({"interval": 60}, 0)}),
    ]:
        plain = {"data": zlib.compress(pickle.dumps(call)), "origin": "mail", "meta": pickle.dumps({"interval": 60})}
        redis.zadd("rq:scheduler:scheduled_jobs", {name: due})
        redis.hset(f"rq:job:{name}", mapping={**plain, **job})
    redis.zadd("rq:scheduler:scheduled_jobs", {"gone": 1900000000, "text": 1900000000})
    redis.set("rq:job:text", "x")
    json.dump({"made": made, "refused": refused}, sys.stdout)


main()
