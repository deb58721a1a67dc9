"""An application of Celery with 200 entries: every kind of schedule, spelling and option that beat knows."""
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import celery
from celery import Celery, group
from celery.schedules import BaseSchedule, crontab, schedule, solar
from kombu import Exchange, Queue
from kombu.common import Broadcast

try:
    from celery.beat import BeatLazyFunc
except ImportError:
    BeatLazyFunc = None

app = Celery("vocabulary", broker="redis://broker.invalid/3", backend="redis://broker.invalid/4")
entries = {}


def add(timing, task="shop.tasks.poll", **parts):
    name = parts.pop("name", f"{len(entries) + 1:03} {task}")
    entries[name] = {"task": task, "schedule": timing, **parts}


class BusinessHours(crontab):
    """A subclass that only sets what its base takes."""

    def __init__(self, **fields):
        super().__init__(minute="*/20", hour="9-17", day_of_week="mon-fri", **fields)

    def __reduce__(self):
        return (type(self), ())


class Slowly(schedule):
    def __init__(self):
        super().__init__(timedelta(minutes=17))

    def __reduce__(self):
        return (type(self), ())


class Lunar(BaseSchedule):
    """A class of its own."""

    def remaining_estimate(self, last_run_at):
        return timedelta(days=29.53)

    def is_due(self, last_run_at):
        return False, 3600.0


class Moody(crontab):
    """A subclass that decides otherwise than its base."""

    def is_due(self, last_run_at):
        return False, 60.0


class Shifted(crontab):
    """A subclass with a clock of its own."""

    def now(self):
        return super().now() + timedelta(hours=1)


def berlin():
    return datetime.now(app.timezone)


def utc():
    return datetime.now(timezone.utc)


for fields in [
    {}, {"minute": 0}, {"minute": "0", "hour": 3}, {"minute": "*/15"}, {"minute": "*/7", "hour": "*/5"},
    {"minute": [1, 13, 30]}, {"minute": {0, 59}}, {"minute": (5,)}, {"minute": range(0, 60, 10), "hour": 1},
    {"minute": "1,13,30-45,50-59/2"}, {"minute": 0, "hour": "8-17/2"}, {"minute": "55-5", "hour": "22-4"},
    {"minute": 0, "hour": 0, "day_of_week": "mon-fri"}, {"minute": 0, "hour": 0, "day_of_week": "sat,sun"},
    {"minute": 0, "hour": 0, "day_of_week": [0, 6]}, {"minute": 0, "hour": 0, "day_of_week": "fri-mon"},
    {"minute": 5, "hour": 4, "day_of_week": "Monday"}, {"minute": 5, "hour": 4, "day_of_week": "*/2"},
    {"minute": 5, "hour": 4, "day_of_week": 6}, {"minute": 0, "hour": 0, "day_of_month": "1"},
    {"minute": 0, "hour": 0, "day_of_month": 31}, {"minute": 0, "hour": 0, "day_of_month": "*/10"},
    {"minute": 0, "hour": 0, "day_of_month": "25-5"}, {"minute": 0, "hour": 0, "day_of_month": "2-30/2"},
    {"minute": 0, "hour": 12, "day_of_month": "1-7", "day_of_week": "mon"},
    {"minute": 0, "hour": 12, "day_of_month": "*/2", "day_of_week": "1-5"},
    {"minute": "*", "hour": 12, "day_of_month": [1, 15], "day_of_week": [1, 3, 5]},
    {"minute": 0, "hour": 0, "day_of_month": 13, "day_of_week": "fri", "month_of_year": "*/3"},
    {"minute": 0, "hour": 0, "day_of_month": 1, "month_of_year": "2-12/2"},
    {"minute": 0, "hour": 0, "day_of_month": 29, "month_of_year": 2},
    {"minute": 0, "hour": 0, "day_of_month": 30, "month_of_year": "11-2"},
    {"minute": "*/90"}, {"minute": 30, "hour": "*/30"}, {"minute": 0, "hour": 0, "day_of_month": "*/40"},
    {"minute": "0,0,0"}, {"minute": "00", "hour": "08"}, {"minute": "0-59"}, {"minute": " 5", "hour": 4},
    {"minute": "1, 2, 3"}, {"minute": "10-20 "}, {"minute": 5, "hour": 4, "day_of_week": "tuesdays"},
    {"minute": "+5", "hour": "1_0"}, {"minute": True, "hour": 1}, {"minute": "1-5 minutes"},
    {"minute": 30, "hour": 2}, {"minute": "*/30", "hour": "1-3"}, {"minute": 0, "hour": [2, 3]},
    {"minute": 0, "hour": 0, "month_of_year": [1, 4, 7, 10], "day_of_month": 1},
    {"minute": 0, "hour": "*/2,*/3"}, {"minute": 0, "hour": "*/3,8-17"}, {"minute": "59", "hour": "23"},
    {"minute": 0, "hour": 0, "day_of_month": "1-7,15-21", "day_of_week": 1},
]:
    add(crontab(**fields), "shop.tasks.cron")
    add(crontab(**fields), "shop.tasks.cron_args", args=(1, "two"), kwargs={"deep": {"list": [1, None]}})
add(crontab(minute=0, hour=9, nowfun=utc), "shop.tasks.nowfun")
add(crontab(minute=0, hour=9, nowfun=berlin), "shop.tasks.nowfun")
add(BusinessHours(), "shop.tasks.subclass")
add(Slowly(), "shop.tasks.subclass")
add(Lunar(), "shop.tasks.own")
add(Moody(minute=0), "shop.tasks.own")
add(Shifted(minute=0), "shop.tasks.own")

for timing in [10, 10.0, 0.5, 0.1, 0.05, 1.0005, 90, timedelta(seconds=30), timedelta(minutes=5), timedelta(hours=1),
               timedelta(hours=5), timedelta(days=1), timedelta(days=7), timedelta(weeks=2), timedelta(days=1.5),
               schedule(timedelta(minutes=3)), schedule(600), 86400, timedelta(milliseconds=1500), 0, -5.0]:
    add(timing, "shop.tasks.interval")
for seconds in [10, 60, 90, 300, 3600, 5400, 4 * 3600, 86400, 3 * 86400, 7 * 86400,
                1e6]:
    add(schedule(timedelta(seconds=seconds), relative=True), "shop.tasks.relative")
add(timedelta(hours=1), "shop.tasks.relative", relative=True)
for event in ["dawn_astronomical", "dawn_nautical", "dawn_civil", "sunrise", "solar_noon", "sunset", "dusk_civil",
              "dusk_nautical", "dusk_astronomical"]:
    add(solar(event, 37.5665, 126.978), "home.tasks.sun")
add(solar("sunset", -33.9, 18.4), "home.tasks.sun")
add(solar("sunrise", 52.52, 13.405), "home.tasks.sun")

noon = crontab(minute=0, hour=12)
for options in [
    {"queue": "fast"}, {"queue": Queue("objects")}, {"queue": "fast", "routing_key": "fast"},
    {"exchange": "media", "routing_key": "media.video"}, {"exchange": Exchange("media"), "routing_key": "media.video"},
    {"exchange": "nowhere", "routing_key": "x"}, {"queue": "news"}, {"priority": 0}, {"priority": 9},
    {"expires": 60}, {"expires": 0.5}, {"expires": timedelta(minutes=5)}, {"expires": -1},
    {"expires": datetime(2027, 6, 1, tzinfo=timezone.utc)}, {"expires": datetime(2027, 6, 1)},
    {"expires": "2027-06-01T00:00:00+00:00"}, {"headers": {"tenant": "eu", "{{": "{{ x }}"}},
    {"time_limit": 300, "soft_time_limit": 240.5}, {"ignore_result": True}, {"shadow": "nightly"},
    {"argsrepr": "(***)", "kwargsrepr": "{}"}, {"countdown": 10}, {"countdown": 0}, {"eta": utc()}, {"retry": True},
    {"retry_policy": {"max_retries": 3}}, {"serializer": "json"}, {"serializer": "pickle"}, {"compression": "gzip"},
    {"delivery_mode": 2}, {"delivery_mode": 1}, {"task_id": "always-this"}, {"frobnicate": 1},
    {"link": app.signature("shop.tasks.done", args=(1,))}, {"link": [app.signature("shop.tasks.done", immutable=True)]},
    {"link_error": app.signature("shop.tasks.failed", kwargs={"who": "ops"}, options={"queue": "fast"})},
    {"link": group([app.signature("shop.tasks.done"), app.signature("shop.tasks.done")], app=app)},
    {"chain": [app.signature("shop.tasks.last"), app.signature("shop.tasks.first")]}, {"ignore_result": False},
]:
    add(noon, "shop.tasks.options", options=options)
for queue, options in [
    ("fast", {"queue": "fast", "routing_key": "media.video"}), ("fast", {"queue": "fast", "exchange": "media"}),
    ("default", {"exchange": "news"}), ("default", {"exchange": "", "routing_key": "fast"}),
    ("media", {"exchange": "media", "routing_key": "media.video"}), ("logs", {"exchange": "logs", "routing_key": "a.b"}),
    ("logs", {"queue": "logs"}), ("news", {"queue": "news"}),
]:
    add(noon, "shop.tasks.to_" + queue, options=options)
add(noon, "shop.tasks.to_news")
for parts in [
    {"args": [{"when": datetime(2026, 1, 1, tzinfo=timezone.utc)}]}, {"args": [Decimal("1.50"), UUID(int=7)]},
    {"args": [object()]}, {"args": [{1, 2}]}, {"args": [float("nan")]}, {"args": [2**64]}, {"args": [2**64 - 1]},
    {"kwargs": {"text": "{{ slot }} and {{"}}, {"kwargs": {"Ünïcode — 日本語": "\x00\x1b[31m\u202e"}},
    {"args": ["'; rm -rf /", "yes", "12:30", "# no", ""]}, {"kwargs": {"bytes": b"\xff"}}, {"args": "abc"},
]:
    add(noon, "shop.tasks.arguments", **parts)
for parts in [{"args": 3}, {"kwargs": 3}, {"args": ["\ud800"]}, {"kwargs": {"\udfff": 1}},
              {"options": {"expires": timedelta(1)}}, {"options": {"time_limit": timedelta(1)}}]:
    add(noon, "shop.tasks.unsendable", **parts)
add(noon, "shop.tasks.decorated_unsendable", args=(1,))
if BeatLazyFunc:
    add(noon, "shop.tasks.lazy", args=[BeatLazyFunc(lambda: 1)])
    add(noon, "shop.tasks.lazy", kwargs={"deep": [BeatLazyFunc(lambda: 1)]})
for name in ["名前 ✓ with 'quotes', {braces}: and #hash", "{{ slot }}", "yes", "~", "a: b", "\ud800", "tab\tand\u202ebidi",
             "x" * 201]:
    add(noon, "shop.tasks.names", name=name)
for task in ["decorated", "routed", "routed_by_function", "unregistered", "own_apply_async", "own_shadow_name", "broken_router",
             "routed_with_expires"]:
    add(noon, f"shop.tasks.{task}", args=(1, 2))


def route(name, args, kwargs, options, task=None, **rest):
    """A router, as projects have them."""
    if name == "shop.tasks.routed_by_function":
        return {"queue": "by_function", "priority": 7}
    if name == "shop.tasks.broken_router":
        raise KeyError(name)
    return None


app.conf.update(
    timezone="Europe/Berlin",
    beat_schedule=entries,
    task_default_queue="default",
    task_routes=(route, {"shop.tasks.routed": {"queue": "slow"}, "shop.mail.*": {"queue": "mail"}, "shop.tasks.to_news": "news",
                         "shop.tasks.routed_with_expires": {"queue": "slow", "expires": 33}}),
    task_queues=[Queue("default"), Queue("fast"), Queue("media", Exchange("media"), routing_key="media.video"),
                 Queue("logs", Exchange("logs", type="topic"), routing_key="a.#"), Broadcast("news")],
    task_create_missing_queues=True,
)


if celery.VERSION >= (5, 3):
    app.conf.beat_cron_starting_deadline = 7200


class Locked(app.Task):
    def apply_async(self, *args, **kwargs):
        return super().apply_async(*args, **kwargs)


class Shadowed(app.Task):
    def shadow_name(self, args, kwargs, options):
        return "somebody else"


def anything(*args, **kwargs):
    """What most tasks do."""


for name in {entry["task"] for entry in entries.values()} - {"shop.tasks.unregistered", "shop.tasks.decorated",
                                                             "shop.tasks.own_apply_async", "shop.tasks.own_shadow_name",
                                                             "shop.tasks.decorated_unsendable"}:
    app.task(name=name)(anything)


@app.task(name="shop.tasks.decorated", queue="deco", priority=5, expires=120, time_limit=30, ignore_result=True)
def decorated(x, y):
    return x + y


@app.task(name="shop.tasks.decorated_unsendable")
def decorated_unsendable(x, y):
    return x + y


@app.task(name="shop.tasks.own_shadow_name", base=Shadowed)
def own_shadow_name(x, y):
    return x + y


@app.task(name="shop.tasks.own_apply_async", base=Locked)
def own_apply_async(x, y):
    return x + y


@app.on_after_configure.connect
def add_periodic_tasks(sender, **kwargs):
    sender.add_periodic_task(30.0, decorated.s(1, 2), name="added every 30 s", expires=10)
    sender.add_periodic_task(crontab(minute=1), decorated.s(1, y=2).set(queue="set"), name="added with set")
    sender.add_periodic_task(crontab(minute=2), app.signature("shop.mail.send", args=("x",)), name="added for mail")
    sender.add_periodic_task(timedelta(minutes=2), decorated.si(3, 4))
