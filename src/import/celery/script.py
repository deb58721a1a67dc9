"""Asks an application of Celery for its schedule, or when its schedules run next.

downbeat runs this in the application's own Python, which imports the application's code. It reads a request from
standard input and writes one JSON document to standard output. It changes nothing, connects to no broker, and
sends no task.
"""
import json
import os
import sys
from datetime import datetime, timedelta, timezone

KNOWN = {
    "celery.schedules.crontab": "crontab",
    "celery.schedules.schedule": "interval",
    "celery.schedules.solar": "solar",
    "django_celery_beat.tzcrontab.TzAwareCrontab": "crontab",
    "django_celery_beat.clockedschedule.clocked": "clocked",
}
FIELDS = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def main():
    # What the application prints while it is imported must not get between.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    request = json.load(sys.stdin)
    app = find(request["app"])
    if "schedules" in request:
        entries = scheduled(app)
        answer = [upcoming(entries[asked["entry"]].schedule, request) for asked in request["schedules"]]
    else:
        answer = describe(app)
    json.dump(answer, answers)
    answers.flush()


def find(name):
    from celery.app.utils import find_app

    sys.path.insert(0, os.getcwd())
    app = find_app(name)
    app.loader.import_default_modules()
    app.finalize(auto=True)
    app.set_current()
    return app


def scheduled(app):
    """The entries that beat would run, with those of `add_periodic_task` and Celery's own."""
    from celery.beat import Scheduler

    scheduler = Scheduler(app=app, lazy=True)
    scheduler.setup_schedule()
    return scheduler.schedule


def describe(app):
    import celery

    conf = app.conf
    options = dict(conf.broker_transport_options or {})
    kept = ("priority_steps", "sep", "global_keyprefix", "fanout_prefix", "fanout_patterns")
    return {
        "celery": celery.__version__,
        "timezone": zone_name(app.timezone),
        "enable_utc": bool(conf.enable_utc),
        "broker": (str(conf.broker_write_url or conf.broker_url or "")).partition(":")[0],
        "transport_options": {key: options[key] for key in kept if key in options},
        "deadline": conf.beat_cron_starting_deadline,
        "accept_content": sorted(str(kind) for kind in conf.accept_content or ()),
        "scheduler": str(conf.beat_scheduler),
        "entries": [entry(app, name, found) for name, found in in_order(app)],
    }


def in_order(app):
    """As the application lists them, and what is added by calls after that, by name."""
    listed = {name: place for place, name in enumerate(app.conf.beat_schedule or {})}
    found = scheduled(app).items()
    return sorted(found, key=lambda pair: (listed.get(pair[0], len(listed)), str(pair[0])))


def entry(app, name, found):
    problems = []
    task = app.tasks.get(found.task)
    told = {
        "name": str(name),
        "task": found.task,
        "registered": task is not None,
        "args": plain(found.args, "args", problems),
        "kwargs": plain(dict(found.kwargs or {}), "kwargs", problems),
        "schedule": spec(found.schedule),
        "problems": problems,
    }
    told.update(message(app, found, task, problems))
    return told


def message(app, found, task, problems):
    """What `apply_async` would make of the entry's options, the task's own and the router's."""
    options = dict(found.options or {})
    if task is not None:
        if is_own(type(task), "apply_async"):
            problems.append(["apply_async", type(task).__qualname__])
        options = {**task._get_exec_options(), **options}
        options = {key: value for key, value in options.items() if value is not None}
    routed = dict(options)
    try:
        args, kwargs = list(found.args or ()), dict(found.kwargs or {})
        routed = app.amqp.router.route(dict(options), found.task, args, kwargs, task)
    except Exception as error:  # A router is the application's code.
        problems.append(["route", repr(error)])
    queue = routed.pop("queue", None) or app.amqp.default_queue
    exchange = getattr(queue, "exchange", None)
    return {
        "queue": getattr(queue, "name", None) or str(queue),
        "fanout": getattr(exchange, "type", None) == "fanout",
        "options": plain({key: value for key, value in routed.items()}, "options", problems),
    }


def is_own(cls, method):
    """Whether a class of the application, and none of Celery's, has the method."""
    for base in cls.__mro__:
        if method in vars(base):
            return not base.__module__.startswith("celery.")
    return False


def spec(schedule):
    """What a schedule is, by the first of its classes that is known."""
    cls = type(schedule)
    for base in cls.__mro__:
        kind = KNOWN.get(f"{base.__module__}.{base.__qualname__}")
        if kind is None:
            if {"is_due", "remaining_estimate", "remaining_delta"} & set(vars(base)):
                break
            continue
        return {"type": kind, **PARTS[kind](schedule)}
    return {"type": "own", "class": f"{cls.__module__}.{cls.__qualname__}"}


def crontab(schedule):
    written = {field: joined(getattr(schedule, "_orig_" + field)) for field in FIELDS}
    zone = own_zone(schedule)
    return {"fields": written, **({"timezone": zone} if zone else {})}


def joined(field):
    if isinstance(field, (str, int)):
        return str(field)
    return ",".join(str(part) for part in field)


def own_zone(schedule):
    """The zone of a schedule whose clock is not the application's."""
    clock = getattr(schedule, "nowfun", None)
    zone = vars(schedule).get("tz")
    if zone is None and clock is not None:
        zone = clock().tzinfo
    return zone_name(zone) if zone is not None else None


def zone_name(zone):
    return str(getattr(zone, "key", None) or getattr(zone, "zone", None) or zone)


def interval(schedule):
    return {"seconds": schedule.run_every.total_seconds(), "relative": bool(schedule.relative)}


def solar(schedule):
    return {"event": str(schedule.event), "latitude": float(schedule.lat), "longitude": float(schedule.lon)}


def clocked(schedule):
    return {"at": schedule.clocked_time.isoformat()}


PARTS = {"crontab": crontab, "interval": interval, "solar": solar, "clocked": clocked}


def plain(value, where, problems):
    """The value as the message would carry it in JSON; what JSON cannot carry is told."""
    from celery.canvas import Signature
    from kombu.utils.json import dumps

    if where == "options":
        told = {}
        for key, option in value.items():
            if isinstance(option, timedelta):
                option = option.total_seconds()
            elif isinstance(option, datetime):
                option = {"instant": aware(option).isoformat()}
            told[key] = plain(option, f"option {key}", problems)
        return told
    lazy = [repr(item)[:100] for item in leaves(value) if type(item).__name__ == "BeatLazyFunc"]
    if lazy:
        problems.append(["lazy", where, lazy[0]])
        return None
    if isinstance(value, Signature):
        value = dict(value)
    try:
        return json.loads(dumps(value, allow_nan=False), parse_int=bounded)
    except Exception as error:
        problems.append(["json", where, f"{type(error).__name__}: {error}"[:200]])
        return None


def bounded(text):
    number = int(text)
    if not -(2**63) <= number < 2**64:
        raise ValueError(f"{text[:40]} does not fit into 64 bits")
    return number


def leaves(value):
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, (list, tuple)):
        return [value]
    return [leaf for item in value for leaf in leaves(item)]


def aware(moment):
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def upcoming(schedule, request):
    """The next runs of one schedule, in milliseconds since 1970, or why they cannot be told."""
    try:
        return {"instants": runs(schedule, EPOCH + timedelta(milliseconds=request["from"]), request["count"])}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}


def runs(schedule, last, count):
    """Asks the schedule when it is due after its last run, as beat does, in a clock of its own."""
    clock = {"now": last}
    zone = getattr(schedule, "nowfun", None) and schedule.nowfun().tzinfo or getattr(schedule, "tz", None)
    zone = zone or timezone.utc
    schedule.nowfun = lambda: clock["now"].astimezone(zone)
    found = []
    while len(found) < count:
        due = next_run(schedule, last.astimezone(zone), clock, zone)
        if due is None or due <= last:
            break
        found.append(round((due - EPOCH) / timedelta(milliseconds=1)))
        last = due
    return found


def next_run(schedule, last, clock, zone):
    """The first instant at which beat finds the schedule due. Beat asks again every few minutes, and what it is
    told may change when the clock does: so it is asked right after a change of the clock, too."""
    now = last.astimezone(timezone.utc)
    for _ in range(100):
        clock["now"] = now
        left = schedule.remaining_estimate(last)
        if left is None:
            return None
        if left <= timedelta(0):
            return now if now > last else None
        due = now + left
        change = clock_change(zone, now, due)
        if change is None or change == due:
            clock["now"] = due
            again = schedule.remaining_estimate(last)
            if again is None or again <= timedelta(0):
                return due
            due = due + again
        now = change or due
    return None


def clock_change(zone, start, end):
    """The first instant after `start`, up to `end`, at which the zone has another offset."""
    day = start
    while day < end:
        after = min(day + timedelta(days=1), end)
        if day.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            low, high = day, after
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                same = middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            return high.replace(microsecond=0)
        day = after
    return None


main()
