"""Fills the tables of django-celery-beat through its own models, and dumps them as `manage.py dumpdata` does.

Arguments: where to write the dump. Columns that the installed version lacks are left out. Rows that the models
refuse are written past their checks, as other programs write them.
"""
import json
import sys
from datetime import datetime, timedelta, timezone

import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_celery_beat"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    USE_TZ=True, USE_I18N=False, DEFAULT_AUTO_FIELD="django.db.models.AutoField", SECRET_KEY="x",
)
django.setup()

from django.core.management import call_command  # noqa: E402

call_command("migrate", verbosity=0)

from django.contrib.auth.models import User  # noqa: E402
from django_celery_beat.models import (  # noqa: E402
    ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule)

COLUMNS = {field.name for field in PeriodicTask._meta.get_fields()}
NOW = datetime(2026, 11, 1, 10, 30, 15, 250000, tzinfo=timezone.utc)
count = 0


def add(schedule, task="shop.tasks.poll", **columns):
    """Adds a row with this schedule, and with a run in the past."""
    global count
    count += 1
    past_checks = columns.pop("past_checks", False)
    columns.setdefault("name", f"{count:03} {task}")
    columns.setdefault("queue", "beat")
    columns.setdefault("last_run_at", NOW - timedelta(seconds=count))
    row = {key: value for key, value in columns.items() if key in COLUMNS}
    row[{CrontabSchedule: "crontab", IntervalSchedule: "interval", SolarSchedule: "solar",
         ClockedSchedule: "clocked"}.get(type(schedule), "crontab")] = schedule
    made = PeriodicTask(task=task, **row)
    if past_checks:
        PeriodicTask.objects.bulk_create([made])
    else:
        made.save()
    return made


def cron(minute="*", hour="*", day_of_week="*", day_of_month="*", month_of_year="*", timezone="UTC"):
    made = CrontabSchedule(minute=minute, hour=hour, day_of_week=day_of_week, day_of_month=day_of_month,
                           month_of_year=month_of_year, timezone=timezone)
    made.save()
    return made


def every(number, period):
    made, _ = IntervalSchedule.objects.get_or_create(every=number, period=period)
    return made


# Crontabs: every form of a field, in every field.
for fields in [
    {}, {"minute": "0"}, {"minute": "0", "hour": "3"}, {"minute": "*/15"}, {"minute": "*/7", "hour": "*/5"},
    {"minute": "1,13,30-45,50-59/2"}, {"minute": "0", "hour": "8-17/2"}, {"minute": "55-5", "hour": "22-4"},
    {"minute": "0", "hour": "0", "day_of_week": "mon-fri"}, {"minute": "0", "hour": "0", "day_of_week": "sat,sun"},
    {"minute": "0", "hour": "0", "day_of_week": "fri-mon"}, {"minute": "0", "hour": "0", "day_of_week": "0"},
    {"minute": "5", "hour": "4", "day_of_week": "Monday"}, {"minute": "5", "hour": "4", "day_of_week": "*/2"},
    {"minute": "0", "hour": "0", "day_of_month": "1"}, {"minute": "0", "hour": "0", "day_of_month": "31"},
    {"minute": "0", "hour": "0", "day_of_month": "*/10"}, {"minute": "0", "hour": "0", "day_of_month": "25-5"},
    {"minute": "0", "hour": "12", "day_of_month": "1-7", "day_of_week": "mon"},
    {"minute": "0", "hour": "12", "day_of_month": "*/2", "day_of_week": "1-5"},
    {"minute": "0", "hour": "0", "day_of_month": "13", "day_of_week": "fri", "month_of_year": "*/3"},
    {"minute": "0", "hour": "0", "day_of_month": "1", "month_of_year": "2-12/2"},
    {"minute": "0", "hour": "0", "day_of_month": "29", "month_of_year": "2"},
    {"minute": "0", "hour": "0", "day_of_month": "30", "month_of_year": "11-2"},
    {"minute": "*/90"}, {"minute": "30", "hour": "*/30"}, {"minute": "0", "hour": "0", "day_of_month": "*/40"},
    {"minute": "0,0,0"}, {"minute": "00", "hour": "08"}, {"minute": "0-59"}, {"minute": " 5", "hour": "4"},
    {"minute": "1, 2, 3"}, {"minute": "10-20 "}, {"minute": "5", "hour": "4", "day_of_week": "tuesdays"},
    {"minute": "+5", "hour": "1_0"},
]:
    add(cron(**fields), "shop.tasks.cron")
for zone in ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "US/Pacific",
             "America/Santiago", "Africa/Cairo", "Asia/Seoul", "Pacific/Chatham", "Etc/GMT+5"]:
    for fields in [{"minute": "30", "hour": "2"}, {"minute": "0"}, {"minute": "*/30", "hour": "1-3"},
                   {"minute": "0", "hour": "0", "day_of_week": "1", "day_of_month": "1-7"}]:
        add(cron(**fields, timezone=zone), "shop.tasks.zoned")
# What Celery refuses, so beat never sends it.
for fields in [{"minute": "60"}, {"minute": "1/5"}, {"day_of_week": "7"}, {"hour": "24"}, {"minute": "*/0"},
               {"minute": ""}, {"minute": "a b"}, {"day_of_month": "31", "month_of_year": "2"},
               {"day_of_month": "0"}, {"minute": "5-"}, {"day_of_month": "L"}]:
    add(cron(**fields), "shop.tasks.refused")

# Intervals.
for number, period in [(1, "seconds"), (10, "seconds"), (90, "seconds"), (7, "seconds"), (1, "minutes"),
                       (5, "minutes"), (45, "minutes"), (1, "hours"), (5, "hours"), (36, "hours"), (1, "days"),
                       (2, "days"), (7, "days"), (500000, "microseconds"), (1500000, "microseconds"),
                       (1, "microseconds"), (100001, "microseconds"), (86399, "seconds"), (100, "days")]:
    add(every(number, period), "shop.tasks.interval")
    add(every(number, period), "shop.tasks.never_ran", last_run_at=None)
for number in [0, -5]:
    add(every(number, "seconds"), "shop.tasks.never")
add(every(1, "fortnights"), "shop.tasks.unknown_unit", past_checks=True)

# The sun, and instants.
for event in ["dawn_astronomical", "dawn_nautical", "dawn_civil", "sunrise", "solar_noon", "sunset", "dusk_civil",
              "dusk_nautical", "dusk_astronomical"]:
    made = SolarSchedule(event=event, latitude="37.566500", longitude="126.978000")
    made.save()
    add(made, "home.tasks.sun")
made = SolarSchedule(event="sunset", latitude="-33.9", longitude="18.4")
made.save()
add(made, "home.tasks.sun")
for at in [datetime(2027, 1, 1, tzinfo=timezone.utc), datetime(2030, 6, 1, 9, 30, 15, 123456, tzinfo=timezone.utc),
           datetime(2020, 1, 1, tzinfo=timezone.utc)]:
    made = ClockedSchedule(clocked_time=at)
    made.save()
    add(made, "shop.tasks.once", one_off=True, last_run_at=None)

# Bounds.
later = datetime(2027, 3, 1, 12, 0, tzinfo=timezone.utc)
for columns in [{"start_time": NOW}, {"start_time": later},
                {"start_time": later + timedelta(minutes=30)}, {"expires": later}, {"one_off": True},
                {"start_time": later, "one_off": True}, {"one_off": True, "total_run_count": 1},
                {"expires": NOW - timedelta(days=300)}, {"start_time": NOW, "expires": later, "enabled": False},
                {"enabled": False}]:
    add(cron("0", "9"), "shop.tasks.bounded", **columns)
    add(cron("0"), "shop.tasks.bounded", last_run_at=None, **columns)
    add(every(30, "minutes"), "shop.tasks.bounded", **columns)
    add(every(30, "minutes"), "shop.tasks.bounded", last_run_at=None, **{k: v for k, v in columns.items()})

# What is sent.
for columns in [
    {"args": "[1, \"two\", null, true, 2.5, [3, {\"deep\": [\"{{ slot }}\"]}]]"},
    {"kwargs": "{\"tenant\": 42, \"name\": \"Ünïcode — 日本語\", \"empty\": {}, \"list\": []}"},
    {"args": "[\"\\u0000\\u001b[31m\", \"'; rm -rf /\", \"yes\", \"12:30\", \"# no\"]"},
    {"args": "[9223372036854775807, 18446744073709551615]"},
    {"args": "", "kwargs": ""}, {"args": "null", "kwargs": "null"},
    {"queue": None}, {"queue": "priority", "priority": 0}, {"priority": 255}, {"priority": 9},
    {"expire_seconds": 60}, {"expire_seconds": 0}, {"headers": "{\"tenant\": \"eu\", \"n\": 1}"},
    {"exchange": "tasks", "routing_key": "tasks.slow"}, {"routing_key": "beat"},
    {"description": "Sends the report.\nAsk Ana: \"why?\" # really"},
    {"name": "名前 ✓ with 'quotes', {braces}: and #hash"}, {"name": "{{ slot }}"}, {"name": "-"},
    {"name": "yes"}, {"name": "~"}, {"name": "x" * 200}, {"name": "tab\tand\u202ebidi"},
]:
    add(cron("0", "6"), "shop.tasks.message", **columns)
# What beat cannot read, or cannot send.
for columns in [{"args": "[1, 2"}, {"args": "{\"a\": 1}"}, {"args": "3"}, {"kwargs": "[1]"}, {"kwargs": "{'a': 1}"},
                {"args": "[NaN]"}, {"args": "[18446744073709551616]"}, {"headers": "nonsense"},
                {"headers": "[1]"}, {"headers": "{\"id\": \"forged\"}"}]:
    add(cron("0", "6"), "shop.tasks.broken", **columns)
add(None, "shop.tasks.no_schedule", past_checks=True)
add(cron("1", "1"), "shop.tasks.orphan")

PeriodicTask.objects.update(date_changed=NOW)
User(username="somebody").save()
call_command("dumpdata", output=sys.argv[1], verbosity=0)
with open(sys.argv[1]) as dump:
    rows = json.load(dump)
for row in rows:
    if row["fields"].get("task") == "shop.tasks.orphan":
        row["fields"]["crontab"] = 99999
with open(sys.argv[1], "w") as dump:
    json.dump(rows, dump, indent=1)
print(json.dumps({"entries": count}))
