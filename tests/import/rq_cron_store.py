"""Fills a Redis with what a running cron scheduler of RQ shows: `rq_cron_store.py SOCKET LINES`."""
import json
import logging
import sys
from datetime import datetime, timedelta, timezone

from redis import Redis
from rq.cron import CronJob, CronScheduler

logging.disable(logging.CRITICAL)
socket, lines = sys.argv[1:]
redis = Redis(unix_socket_path=socket)


def poll(*args, **kwargs):
    pass


poll.__module__ = "shop.tasks"
SETTINGS = [
    {}, {"args": (1, "é☃ {{ user }}", None, [2.5, {"a": []}])}, {"kwargs": {"ключ": "🎉", "n": 2**53}},
    {"job_timeout": 300}, {"job_timeout": "1h"}, {"result_ttl": 60}, {"result_ttl": -1}, {"ttl": 90},
    {"failure_ttl": 3600}, {"meta": {"campaign": "spring"}}, {"name": "named"}, {"args": (object(),)},
    {"kwargs": {"when": datetime(2026, 1, 1)}}, {"job_timeout": -1, "result_ttl": 0}, {"args": (b"bytes",)},
    {"name": "\x1b[31mred\n"}, {"name": "é☃ name"},
]


def main():
    scheduler = CronScheduler(redis, name="host:1:abc")
    made, refused = 0, []

    def add(**when):
        nonlocal made
        settings = SETTINGS[made % len(SETTINGS)]
        queue = ["default", "mail", "low-é"][made % 3]
        made += 1
        try:
            return scheduler.register(poll, queue, **when, **settings)
        except Exception:
            refused.append(when)

    for line in json.load(open(lines))["croniter"]:
        add(cron=line)
    now = datetime.now(timezone.utc)
    for seconds in (1, 5, 30, 60, 90, 3600, 86400, 604800, 1000):
        for run in (0, 1):
            job = add(interval=seconds)
            if run and job:
                job.set_enqueue_time(now - timedelta(seconds=seconds // 2, microseconds=123456))
    more = 0
    while made < 200:
        add(cron=f"{more % 60} {more % 24} * * {more % 8}")
        more += 1
    scheduler.register_birth()
    # A second one with the same jobs, and what no scheduler writes.
    again = CronScheduler(redis, name="host:2:def")
    again._cron_jobs = scheduler._cron_jobs
    again.register_birth()
    redis.zadd("rq:cron_schedulers", {"broken": 1, "gone": 1, "text": 1})
    redis.hset("rq:cron_scheduler:broken", mapping={"cron_jobs": "[{"})
    redis.set("rq:cron_scheduler:text", "x")
    json.dump({"made": made, "refused": refused}, sys.stdout)


main()
