"""Asks a Celery application for its schedule, or when schedules run next.

downbeat runs this in the application's own Python, which imports the application's code. It reads a request from
standard input and writes one JSON document to standard output. It changes nothing, connects to no broker, and
sends no task.
"""
import functools
import itertools
import json
import os
import sys
import traceback
import weakref
from datetime import datetime, timedelta, timezone

KNOWN = {
    "celery.schedules.crontab": "crontab",
    "celery.schedules.schedule": "interval",
    "celery.schedules.solar": "solar",
    "django_celery_beat.tzcrontab.TzAwareCrontab": "crontab",
    "django_celery_beat.clockedschedule.clocked": "clocked",
    "redbeat.schedules.rrule": "rrule",
}
FIELDS = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
RRULE = ("freq", "interval", "wkst", "count", "bysetpos", "bymonth", "bymonthday", "byyearday", "byeaster",
         "byweekno", "byweekday", "byhour", "byminute", "bysecond")
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# What a schedule may not override, or it runs at other times than its base.
TIMING = {"is_due", "remaining_estimate", "remaining_delta", "now", "to_local", "tz", "maybe_make_aware"}
# Options that Celery takes from the call alone: in a route, old versions ignore them, and new ones fail.
OF_CALL = {"expires", "time_limit", "soft_time_limit", "countdown", "eta", "link", "link_error", "shadow", "chain"}
# Options for the sender itself, which are not part of a message.
OF_SENDER = {"producer", "connection", "publisher", "router", "result_cls", "retry_policy", "app"}


def main():
    # What the application prints while it is imported must not mix with the answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr  # downbeat shows the last line, which should be the error.
    request = json.load(sys.stdin)
    app = imported(request["app"]) if request.get("app") else bare(request.get("timezone"))
    if "schedules" in request:
        entries = scheduled(app) if request.get("app") else {}
        answer = [upcoming(asked, entries, app, request) for asked in request["schedules"]]
    elif "messages" in request:
        answer = describe(app, [message(app, Stored(asked)) for asked in request["messages"]])
    else:
        runs = last_runs(request["last_runs"]) if request.get("last_runs") else {}
        entries = in_order(app, scheduled(app))
        answer = describe(app, [entry(app, name, found, runs.get(name)) for name, found in entries])
    json.dump(answer, answers)
    answers.flush()


def imported(name):
    """The application, whose code may end Python."""
    sys.path.insert(0, os.getcwd())
    try:
        return find(name)
    except SystemExit as error:
        sys.exit(f"{place(error)}the application ended Python while it was imported (SystemExit: {error.code})")


def place(error):
    """`FILE:LINE: ` of the error in the application's own code; empty if it is elsewhere."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: "
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_own_file(frame.filename)]
    return f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""


def is_own_file(path):
    of_python = os.path.dirname(os.__file__)
    return os.path.isfile(path) and "site-packages" not in path and not path.startswith(of_python)


def find(name):
    from celery.app.utils import find_app

    app = find_app(name)
    app.loader.import_default_modules()
    app.finalize(auto=True)
    app.set_current()
    return app


def bare(zone):
    from celery import Celery

    app = Celery("downbeat-import")
    app.conf.update(timezone=zone or "UTC", enable_utc=True)
    app.set_current()
    return app


def scheduled(app):
    """The entries that beat would run, including those of `add_periodic_task` and Celery's own."""
    from celery.beat import Scheduler

    scheduler = Scheduler(app=app, lazy=True)
    for name, written in app.conf.beat_schedule.items():
        try:
            scheduler._maybe_entry(name, written)
        except Exception as error:
            sys.exit(f"the entry {name!r} of `beat_schedule` is not an entry: {type(error).__name__}: {error}")
    scheduler.setup_schedule()
    return {readable(name): entry for name, entry in scheduler.schedule.items()}


def readable(name):
    """A name as UTF-8 can carry it."""
    return str(name).encode("utf-8", "backslashreplace").decode()


def last_runs(path):
    """When beat last sent each entry, from the file that it keeps. The file holds pickles; beat loads them as well."""
    import dbm
    import shelve

    try:
        with shelve.open(path, flag="r") as kept:
            entries = kept.get("entries") or {}
    except (OSError, *dbm.error) as error:
        sys.exit(f"{path}: {error}; stop beat, and name its file as `celery beat -s` does")
    return {name: kept.last_run_at for name, kept in entries.items()}


class Stored:
    """An entry of a store: what it sends, with which options."""

    def __init__(self, asked):
        self.task, self.args, self.kwargs = asked["task"], asked["args"], asked["kwargs"]
        self.options = {key: moment(option) for key, option in asked["options"].items()}


def moment(option):
    if isinstance(option, dict) and set(option) == {"instant"}:
        return datetime.fromisoformat(option["instant"])
    return option


def in_order(app, entries):
    """The entries in the order of `beat_schedule`, which Celery does not keep."""
    places = {readable(name): place for place, name in enumerate(app.conf.beat_schedule)}
    return sorted(entries.items(), key=lambda pair: (places.get(pair[0], len(places)), pair[0]))


def describe(app, entries):
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
        "deadline": conf.get("beat_cron_starting_deadline"),
        "accept_content": sorted(str(kind) for kind in conf.accept_content or ()),
        "scheduler": str(conf.beat_scheduler),
        "zone_aware": zone_aware(),
        "own_send_task": is_own(app.__class__, "send_task"),
        "receivers": receivers(),
        "entries": entries,
    }


def receivers():
    """The functions that may change a message before it is sent."""
    from celery.signals import before_task_publish

    found = [receiver for _, receiver in before_task_publish.receivers or ()]
    found = [receiver() if isinstance(receiver, weakref.ref) else receiver for receiver in found]
    return sorted({getattr(receiver, "__qualname__", repr(receiver)) for receiver in found if receiver is not None})


def zone_aware():
    """Whether crontabs of django-celery-beat read the clocks of their own zones."""
    if "django_celery_beat" not in sys.modules:
        return True
    from django.conf import settings

    return bool(getattr(settings, "DJANGO_CELERY_BEAT_TZ_AWARE", True))


def entry(app, name, found, last_run):
    described = {"name": name, "schedule": spec(found.schedule), **message(app, found)}
    if last_run is not None and described["schedule"]["type"] == "interval":
        described["last_run"] = (aware(last_run) - EPOCH) // timedelta(milliseconds=1)
    return described


def message(app, found):
    """The message that `apply_async` would send for an entry, with the options of the task and the router's."""
    problems = []
    task = app.tasks.get(found.task)
    options = dict(found.options or {})
    if task is not None:
        overridden = [method for method in ("apply_async", "shadow_name") if is_own(type(task), method)]
        problems.extend(["method", method, type(task).__qualname__] for method in overridden)
        options = {**task._get_exec_options(), **options}
        options = {key: value for key, value in options.items() if value is not None}
    args, kwargs = arguments(found, task, problems)
    routed = route(app, found, options, (args, kwargs, task), problems)
    return {
        "task": plain(found.task, "task", problems) or "",
        "registered": task is not None,
        "args": plain(args, "args", problems),
        "kwargs": plain(kwargs, "kwargs", problems),
        **destination(app, routed, problems),
        "options": plain_options(routed, problems),
        "problems": problems,
    }


def arguments(found, task, problems):
    """What beat calls the task with, if the task takes that."""
    try:
        args, kwargs = list(found.args or ()), {**(found.kwargs or {})}
        if getattr(task, "typing", False) and hasattr(task, "__header__"):
            task.__header__(*args, **kwargs)
        return args, kwargs
    except Exception as error:
        problems.append(["unsendable", f"{type(error).__name__}: {error}"[:200]])
        return found.args, found.kwargs


def route(app, found, options, call, problems):
    """The options with those of the route. An option of the entry wins."""
    from celery.beat import Scheduler

    if "celery_beat_task" in Scheduler.apply_async.__code__.co_consts:
        # Beat sets this header, so the headers of a route never count.
        if not isinstance(options.setdefault("headers", {}), dict):
            problems.append(["unsendable", "its headers are not a mapping"])
    try:
        routed = app.amqp.router.route(dict(options), found.task, *call)
    except Exception as error:  # A router is the application's code.
        problems.append(["route", f"{type(error).__name__}: {error}"[:200]])
        return dict(options)
    added = sorted(OF_CALL & (set(routed) - set(options)))
    problems.extend(["in_route", option] for option in added)
    return {key: option for key, option in routed.items() if key not in added}


def destination(app, options, problems):
    """Exchange and routing key as Celery's `send_task_message` finds them, and the queue that gets the message."""
    queue, exchange = options.pop("queue", None), named(options.pop("exchange", None))
    key, kind = options.pop("routing_key", None), options.pop("exchange_type", None)
    if queue is None and exchange is None:
        queue = app.amqp.default_queue
    if isinstance(queue, str):
        queue = app.amqp.queues[queue]
    kind = kind or (queue.exchange.type if queue else "direct")
    if (not exchange or not key) and kind == "direct":
        exchange, key = "", queue.name if queue else None
    elif exchange is None:
        exchange = queue.exchange.name or named(app.amqp.default_exchange)
        key = key or queue.routing_key or app.conf.task_default_routing_key
    fanout, names = receiving(app, queue, exchange, key)
    if not names:
        problems.append(["unbound", str(exchange), str(key)])
    elif len(names) > 1:
        problems.append(["several", ", ".join(names[1:])])
    first = names[0] if names else (queue or app.amqp.default_queue).name
    return {"queue": first, "fanout": fanout, "exchange": exchange or "", "routing_key": key or ""}


def receiving(app, queue, exchange, key):
    """Whether the exchange is a fanout, and the queues that get the message; a fanout has the name of its exchange."""
    from kombu.transport.virtual.exchange import TopicExchange

    if not exchange:
        return False, [key] if key else []
    topics, names = TopicExchange(None), []
    for known in filter(None, [queue, *app.amqp.queues.values()]):
        for bound in [known, *(known.bindings or ())]:
            if named(bound.exchange) != exchange:
                continue
            if bound.exchange.type == "fanout":
                return True, [exchange]
            pattern = topics.key_to_pattern(bound.routing_key or "")
            is_topic = bound.exchange.type == "topic"
            if topics._match(pattern, key or "") if is_topic else bound.routing_key == key:
                names.append(known.name)
    return False, list(dict.fromkeys(names))


def named(exchange):
    return getattr(exchange, "name", exchange)


def is_own(cls, method):
    """Whether the method comes from a class of the application, not from one of Celery."""
    for base in cls.__mro__:
        if method in vars(base):
            return not base.__module__.startswith("celery.")
    return False


def spec(schedule):
    """The type of a schedule with its parts, by the nearest of its classes that is known."""
    cls = type(schedule)
    for base in cls.__mro__:
        kind = KNOWN.get(f"{base.__module__}.{base.__qualname__}")
        if kind is None:
            if TIMING & set(vars(base)):
                break
            continue
        return {"type": kind, **PARTS[kind](schedule)}
    return {"type": "own", "class": f"{cls.__module__}.{cls.__qualname__}"}


def crontab(schedule):
    written = {field: joined(getattr(schedule, "_orig_" + field)) for field in FIELDS}
    read = {field: sorted(int(value) for value in getattr(schedule, field)) for field in FIELDS}
    return {"fields": written, "read": read, "timezone": own_zone(schedule)}


def joined(field):
    if isinstance(field, (str, int)):
        return str(field)
    return ",".join(str(part) for part in field)


def own_zone(schedule):
    """The zone in which it reads times. Whether `nowfun` decides this depends on the version of Celery."""
    try:
        start = schedule.remaining_delta(schedule.now())[0]
    except Exception:  # `nowfun` is the application's code.
        return zone_name(schedule.app.timezone)
    return zone_name(start.tzinfo or schedule.app.timezone)


def zone_name(zone):
    """The zone's name in the IANA database, else what Python calls it."""
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    if name:
        return str(name)
    path = getattr(zone, "_filename", None)
    if type(zone).__name__ == "LocalTimezone":
        path = os.environ.get("TZ") or os.path.realpath("/etc/localtime")
    return str(path or zone).rpartition("zoneinfo/")[2].strip("')")


def interval(schedule):
    return {"seconds": schedule.run_every.total_seconds(), "relative": bool(schedule.relative)}


def solar(schedule):
    return {
        "event": str(schedule.event),
        "latitude": float(schedule.lat),
        "longitude": float(schedule.lon),
        "horizon": is_mistaken(schedule),
    }


def is_mistaken(schedule):
    """Whether this version of Celery takes a height above the horizon for this dusk, not below it."""
    horizons = getattr(schedule, "_horizons", {})
    return getattr(schedule, "event", None) == "dusk_astronomical" and str(horizons.get("dusk_astronomical")) == "18"


def clocked(schedule):
    return {"at": aware(schedule.clocked_time).isoformat()}


def rrule(schedule):
    parts = {}
    for part in RRULE:
        value = getattr(schedule, part, None)
        if value is not None:
            parts[part] = [number(item) for item in value] if isinstance(value, (list, tuple)) else number(value)
    for part in ("dtstart", "until"):
        value = getattr(schedule, part, None)
        if value is not None:
            parts[part], parts[part + "_tz"] = value.timestamp(), value.utcoffset().total_seconds() / 60
    return parts


def number(value):
    """A number, or a weekday of dateutil."""
    if isinstance(value, (int, str)):
        return value
    return {"wkday": value.weekday, "n": value.n}


PARTS = {"crontab": crontab, "interval": interval, "solar": solar, "clocked": clocked, "rrule": rrule}


def plain(value, where, problems):
    """The value as a message carries it in JSON. What JSON cannot carry is added to `problems`."""
    from celery.canvas import Signature
    from kombu.utils.json import dumps

    lazy = [repr(item)[:100] for item in leaves(value) if type(item).__name__ == "BeatLazyFunc"]
    if lazy:
        problems.append(["lazy", where, lazy[0]])
        return None
    if isinstance(value, Signature):
        value = dict(value)
    try:
        read = json.loads(dumps(value, allow_nan=False), parse_int=bounded)
        json.dumps(read, ensure_ascii=False).encode()  # Half of a surrogate pair is not UTF-8.
        return read
    except Exception as error:
        problems.append(["json", where, f"{type(error).__name__}: {error}"[:200]])
        return None


def plain_options(options, problems):
    carried = {}
    for key, option in options.items():
        if key in OF_SENDER:
            continue
        if isinstance(option, datetime):
            option = {"instant": aware(option).isoformat()}
        carried[key] = plain(option, f"option {key}", problems)
    return carried


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


def upcoming(asked, entries, app, request):
    """The next runs of one schedule, in milliseconds since 1970, or why they cannot be computed."""
    try:
        schedule = entries[asked["entry"]].schedule if "entry" in asked else MAKE[asked["type"]](asked, app)
        return {"instants": runs(schedule, asked, request), "horizon": is_mistaken(schedule)}
    except ImportError as error:
        package = PACKAGES.get((error.name or "").partition(".")[0])
        hint = f"; `pip install {package}`, or name a Python that has it with --python" if package else ""
        return {"error": f"{error}{hint}"}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}


def runs(schedule, asked, request):
    """Asks the schedule when it is due after its last run, as beat does, but with a clock that is set each time."""
    start, count = instant(request["from"]), min(request["count"], asked.get("limit") or request["count"])
    found, end = [], instant(asked["end"]) if "end" in asked else None
    if "start" in asked and instant(asked["start"]) > start:
        start = instant(asked["start"])
        if asked.get("since") == asked["start"]:
            found.append(asked["start"])  # A task that is overdue at its start runs then.
        else:
            start -= timedelta(milliseconds=1)
    last = last_run(schedule, asked, start) if "since" in asked else start
    if hasattr(schedule, "rrule"):
        # RedBeat asks its rule for the first date after the last run. That is the next date of the rule.
        dates = itertools.islice((date for date in schedule.rrule if date > start), count)
        return [round((date - EPOCH) / timedelta(milliseconds=1)) for date in dates]
    clock = {"now": last}
    zone = getattr(schedule, "nowfun", None) and schedule.nowfun().tzinfo or getattr(schedule, "tz", None)
    zone = zone or timezone.utc
    schedule.nowfun = lambda: clock["now"].astimezone(zone)
    while len(found) < count:
        due = next_run(schedule, last.astimezone(zone), clock, zone)
        if due is None or due <= last or (end and due > end):
            break
        if due > start:
            found.append(round((due - EPOCH) / timedelta(milliseconds=1)))
        last = due
    return found


def instant(milliseconds):
    return EPOCH + timedelta(milliseconds=milliseconds)


def last_run(schedule, asked, start):
    """The last run of an interval before `start`, if it has run on time since its last known run."""
    since = instant(asked["since"])
    every = getattr(schedule, "run_every", None)
    if every is None:
        return start
    if since >= start or every <= timedelta(0) or schedule.relative:
        return since
    return since + (start - since) // every * every


def next_run(schedule, last, clock, zone):
    """The first instant at which beat finds the schedule due. Beat asks again every few minutes, and the answer may
    change when the clock does. So ask right after a change of the clock, too."""
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
    """The first instant after `start`, up to `end`, at which the zone's offset changes."""
    first, last = (start - EPOCH).days, (end - EPOCH).days
    for day in range(first, last + 1):
        change = change_on(zone, day)
        if change is not None and start < change <= end:
            return change
    return None


@functools.lru_cache(maxsize=None)
def change_on(zone, day):
    """The instant of a day, counted from 1970, at which the zone's offset changes."""
    def offset(moment):
        return moment.astimezone(zone).utcoffset()

    low = EPOCH + timedelta(days=day)
    high = low + timedelta(days=1)
    if offset(low) == offset(high):
        return None
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
    return high


def make_crontab(asked, app):
    from celery.schedules import crontab

    if "timezone" not in asked:
        return crontab(app=app, **asked["fields"])
    from celery.utils.time import timezone as zones
    from django_celery_beat.tzcrontab import TzAwareCrontab

    return TzAwareCrontab(tz=zones.get_timezone(asked["timezone"]), app=app, **asked["fields"])


def make_interval(asked, app):
    from celery.schedules import schedule

    return schedule(timedelta(seconds=asked["seconds"]), app=app)


def make_solar(asked, app):
    from celery.schedules import solar

    return solar(asked["event"], asked["latitude"], asked["longitude"], app=app)


def make_clocked(asked, app):
    from django_celery_beat.clockedschedule import clocked

    return clocked(instant(asked["at_ms"]), nowfun=app.now, app=app)


def make_redbeat(asked, app):
    from redbeat.decoder import RedBeatJSONDecoder

    return json.loads(asked["schedule"], cls=RedBeatJSONDecoder)


MAKE = {"crontab": make_crontab, "interval": make_interval, "solar": make_solar, "clocked": make_clocked,
        "redbeat": make_redbeat}
PACKAGES = {"django_celery_beat": "django-celery-beat", "django": "Django",
            "redbeat": "celery-redbeat", "ephem": "ephem"}

try:
    main()
except ModuleNotFoundError as error:
    missing = "Celery is not installed in this Python; name the application's with --python"
    sys.exit(missing if error.name == "celery" else f"{place(error)}{error}")
except Exception as error:
    sys.exit(f"{place(error)}{type(error).__name__}: {getattr(error, 'msg', error)}")
