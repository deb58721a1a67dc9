"""Saves entries through RedBeat's own classes, and some that other programs or crashes have left.

Arguments: the address of Redis, and the prefix of the keys.
"""
import json
import sys
from datetime import datetime, timedelta, timezone
from importlib.metadata import version

import redis
from celery import Celery
from celery.schedules import crontab, schedule
from dateutil.rrule import FR, MO, TU, weekday
from redbeat import RedBeatSchedulerEntry
from redbeat.schedules import rrule

url, prefix = sys.argv[1], sys.argv[2]
app = Celery("shop", broker=url)
app.conf.update(timezone="Europe/Berlin", redbeat_redis_url=url, redbeat_key_prefix=prefix)
app.set_current()
if version("celery-redbeat") < "2.2":  # It knows the zones of pytz only.
    import pytz

    UTC, ahead = pytz.utc, pytz.FixedOffset
else:
    UTC = timezone.utc

    def ahead(minutes):
        return timezone(timedelta(minutes=minutes))

NOW = datetime(2026, 11, 1, 10, 30, 15, 250000, tzinfo=UTC)
count = 0


def add(timing, task="shop.tasks.poll", args=None, kwargs=None, options=None, enabled=True, ran=True, name=None):
    global count
    count += 1
    options = {"queue": "beat", **(options or {})}
    entry = RedBeatSchedulerEntry(name or f"{count:03} {task}", task, timing, args=args, kwargs=kwargs,
                                  options=options, enabled=enabled, app=app)
    entry.last_run_at = NOW - timedelta(seconds=count) if ran else None
    entry.save()
    return entry


# Crontabs: every form of a field.
for fields in [
    {}, {"minute": 0}, {"minute": 0, "hour": 3}, {"minute": "*/15"}, {"minute": "*/7", "hour": "*/5"},
    {"minute": [1, 13, 30]}, {"minute": "1,13,30-45,50-59/2"}, {"minute": 0, "hour": "8-17/2"},
    {"minute": "55-5", "hour": "22-4"}, {"minute": 0, "hour": 0, "day_of_week": "mon-fri"},
    {"minute": 0, "hour": 0, "day_of_week": [0, 6]}, {"minute": 0, "hour": 0, "day_of_week": "fri-mon"},
    {"minute": 5, "hour": 4, "day_of_week": "Monday"}, {"minute": 5, "hour": 4, "day_of_week": "*/2"},
    {"minute": 0, "hour": 0, "day_of_month": "1"}, {"minute": 0, "hour": 0, "day_of_month": 31},
    {"minute": 0, "hour": 0, "day_of_month": "*/10"}, {"minute": 0, "hour": 0, "day_of_month": "25-5"},
    {"minute": 0, "hour": 12, "day_of_month": "1-7", "day_of_week": "mon"},
    {"minute": 0, "hour": 12, "day_of_month": "*/2", "day_of_week": "1-5"},
    {"minute": 0, "hour": 0, "day_of_month": 13, "day_of_week": "fri", "month_of_year": "*/3"},
    {"minute": 0, "hour": 0, "day_of_month": 1, "month_of_year": "2-12/2"},
    {"minute": 0, "hour": 0, "day_of_month": 29, "month_of_year": 2},
    {"minute": "*/90"}, {"minute": 30, "hour": "*/30"}, {"minute": "00", "hour": "08"}, {"minute": "1, 2, 3"},
    {"minute": "10-20 "}, {"minute": 5, "hour": 4, "day_of_week": "tuesdays"}, {"minute": "+5", "hour": "1_0"},
    {"minute": 30, "hour": 2}, {"minute": "*/30", "hour": "1-3"}, {"minute": 0, "hour": [2, 3]},
]:
    add(crontab(**fields), "shop.tasks.cron")
    add(crontab(**fields), "shop.tasks.off", enabled=False)

# Intervals.
for seconds in [1, 10, 90, 7, 60, 300, 2700, 3600, 18000, 86400, 2 * 86400, 7 * 86400, 0.5, 1.5, 0.1, 0.05,
                0.100001, 86399]:
    add(schedule(timedelta(seconds=seconds)), "shop.tasks.interval")
    add(schedule(seconds), "shop.tasks.never_ran", ran=False)
for seconds in [10, 60, 300, 3600, 5400, 4 * 3600, 86400, 3 * 86400]:
    add(schedule(timedelta(seconds=seconds), relative=True), "shop.tasks.relative")
    add(schedule(timedelta(seconds=seconds), relative=True), "shop.tasks.relative_new", ran=False)
add(schedule(timedelta(0)), "shop.tasks.never")

# Recurrences.
start = datetime(2026, 10, 1, 9, 0, tzinfo=UTC)
half = datetime(2026, 10, 1, 9, 0, tzinfo=ahead(330))
recent = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
west = datetime(2026, 10, 1, 9, 0, 30, tzinfo=ahead(-180))
for parts in [
    {"freq": "DAILY", "dtstart": start}, {"freq": "DAILY", "dtstart": half}, {"freq": "DAILY", "dtstart": west},
    {"freq": "DAILY", "interval": 3, "dtstart": start}, {"freq": "HOURLY", "dtstart": start},
    {"freq": "HOURLY", "interval": 5, "dtstart": west}, {"freq": "MINUTELY", "interval": 7, "dtstart": start},
    {"freq": "SECONDLY", "interval": 30, "dtstart": recent}, {"freq": "WEEKLY", "dtstart": start},
    {"freq": "WEEKLY", "interval": 2, "byweekday": [MO, FR], "dtstart": start},
    {"freq": "WEEKLY", "byweekday": (0, 2, 4), "byhour": (9, 17), "byminute": 30, "dtstart": start},
    {"freq": "WEEKLY", "interval": 2, "wkst": 6, "byweekday": [TU, weekday(6)], "dtstart": start},
    {"freq": "MONTHLY", "bymonthday": -1, "dtstart": start}, {"freq": "MONTHLY", "bymonthday": [1, 15], "dtstart": half},
    {"freq": "MONTHLY", "byweekday": MO(+2), "dtstart": start},
    {"freq": "MONTHLY", "byweekday": [0, 1, 2, 3, 4], "bysetpos": -1, "dtstart": start},
    {"freq": "YEARLY", "bymonth": [1, 7], "bymonthday": 1, "dtstart": start},
    {"freq": "YEARLY", "byyearday": [1, 100, -1], "dtstart": start},
    {"freq": "YEARLY", "byweekno": 20, "byweekday": MO, "dtstart": start},
    {"freq": "DAILY", "count": 150, "dtstart": start}, {"freq": "DAILY", "count": 5, "dtstart": start},
    {"freq": "DAILY", "until": datetime(2027, 2, 1, 9, 0, tzinfo=UTC), "dtstart": start},
    {"freq": "HOURLY", "until": datetime(2027, 2, 1, 9, 0, tzinfo=ahead(60)), "dtstart": half},
    {"freq": "MINUTELY", "byhour": 9, "bysecond": [0, 30], "dtstart": start},
    {"freq": "YEARLY", "byeaster": 0, "dtstart": start},
    {"freq": "DAILY", "dtstart": datetime(2027, 1, 1, tzinfo=ahead(17))},
]:
    add(rrule(app=app, **parts), "shop.tasks.rule")
    add(rrule(app=app, **parts), "shop.tasks.rule_new", ran=False)
add(rrule("DAILY", app=app), "shop.tasks.rule_from_now")

# What is sent.
noon = crontab(minute=0, hour=12)
for columns in [
    {"args": [1, "two", None, True, 2.5, [3, {"deep": ["{{ slot }}"]}]]},
    {"kwargs": {"tenant": 42, "name": "Ünïcode — 日本語", "empty": {}}},
    {"args": ["\x00\x1b[31m", "'; rm -rf /", "yes", "12:30", "# no"]},
    {"args": [9223372036854775807, 18446744073709551615]}, {"args": [2**64]},
    {"kwargs": {"when": datetime(2026, 1, 1, 9, 30, tzinfo=UTC)}},
    {"options": {"queue": None}}, {"options": {"priority": 0}}, {"options": {"priority": 9, "queue": "fast"}},
    {"options": {"expires": 60}}, {"options": {"expires": 0.5}},
    {"options": {"expires": datetime(2027, 1, 1, tzinfo=UTC)}},
    {"options": {"headers": {"tenant": "eu"}}}, {"options": {"time_limit": 300, "soft_time_limit": 240.5}},
    {"options": {"ignore_result": True, "shadow": "nightly"}}, {"options": {"countdown": 10}},
    {"options": {"serializer": "pickle"}}, {"options": {"compression": "gzip"}}, {"options": {"retry": True}},
    {"options": {"exchange": "tasks", "routing_key": "tasks.slow"}}, {"options": {"frobnicate": 1}},
    {"options": {"link": app.signature("shop.tasks.done", args=(1,))}},
    {"name": "名前 ✓ with 'quotes', {braces}: and #hash"}, {"name": "{{ slot }}"}, {"name": "a:b:c"}, {"name": "yes"},
    {"name": "x" * 201}, {"name": "tab\tand\u202ebidi"},
]:
    add(noon, "shop.tasks.message", **columns)

# What crashes and other programs have left.
client = redis.Redis.from_url(url)
plan = prefix + ":schedule"
good = client.hget(add(noon, "shop.tasks.unplanned").key, "definition")
client.zrem(plan, f"{prefix}{count:03} shop.tasks.unplanned")
broken = {
    "not-json": b"{", "not-utf8": b"\xff\xfe", "number": b"3", "no-task": b'{"name": "no-task"}',
    "no-schedule": b'{"name": "no-schedule", "task": "a.b"}',
    "odd-schedule": b'{"name": "odd-schedule", "task": "a.b", "schedule": {"__type__": "lunar"}}',
    "odd-crontab": b'{"name": "odd-crontab", "task": "a.b", "schedule": {"__type__": "crontab", "minute": {}}}',
    "odd-args": b'{"name": "odd-args", "task": "a.b", "args": 3, "schedule": {"__type__": "crontab"}}',
    "typed-args": json.dumps({"name": "typed-args", "task": "a.b", "args": [{"__type__": "crontab"}],
                              "schedule": {"__type__": "crontab"}}).encode(),
    "no-dtstart": json.dumps({"name": "no-dtstart", "task": "a.b", "options": {"queue": "beat"},
                              "schedule": {"__type__": "rrule", "freq": 4, "interval": 1}}).encode(),
    "twice": good, "twice-again": good,
}
for name, definition in broken.items():
    client.hset(prefix + name, "definition", definition)
    client.zadd(plan, {prefix + name: 1})
    count += 1
client.zadd(plan, {prefix + "gone": 1})
client.set(prefix + "a-string", "x")
client.zadd(plan, {prefix + "a-string": 1})
client.hset(prefix + "never-again", "definition", good.replace(b"unplanned", b"never-again"))
client.zadd(plan, {prefix + "never-again": -1})
client.hset(prefix + "not-an-entry", "other", "x")
client.sadd(prefix + ":statics", "001 shop.tasks.cron")
client.hset("elsewhere", "definition", good)
print(json.dumps({"entries": count + 3}))
