"""A Celery application that writes a line of JSON for each thing that happens to a message.

DOWNBEAT_TEST_BROKER is the broker's URL, or filesystem://FOLDER_OF_MESSAGES; DOWNBEAT_TEST_SETTINGS holds further
settings as JSON; DOWNBEAT_TEST_TASKS names further tasks; DOWNBEAT_TEST_JOURNAL is the file to write to. Two of the
settings are not Celery's: `broadcasts` names queues of which every worker gets each message, and `decorated` has
options for the decorators of further tasks, by name.
"""

import json
import os
import time

from celery import Celery, Task, signals
from celery.app.trace import build_tracer
from celery.worker.consumer import Consumer
from kombu.common import Broadcast
from redis import Redis

FILESYSTEM = "filesystem://"


def anything(*args, **kwargs):
    pass


class Strategies(dict):
    """Gives every task name that a message has a task that only writes it down."""

    consumer = None

    def __missing__(self, name):
        app.task(name=name)(anything)
        task = app.tasks[name]
        task.__trace__ = build_tracer(
            name, task, app.loader, self.consumer.hostname, app=app
        )
        self[name] = task.start_strategy(app, self.consumer)
        return self[name]


class AcceptingConsumer(Consumer):
    Strategies = Strategies

    def update_strategies(self):
        self.strategies.consumer = self
        super().update_strategies()


def settings(broker):
    common = {
        "broker_url": broker,
        "broker_connection_retry_on_startup": True,
        "worker_consumer": "worker:AcceptingConsumer",
        "worker_enable_remote_control": False,
        "worker_prefetch_multiplier": 1,
        **json.loads(os.environ["DOWNBEAT_TEST_SETTINGS"]),
    }
    if broker.startswith(FILESYSTEM):
        folder = broker.removeprefix(FILESYSTEM)
        common["broker_url"] = FILESYSTEM
        common["broker_transport_options"] = {
            "data_folder_in": folder,
            "data_folder_out": folder,
            "control_folder": f"{folder}-control",
            "polling_interval": 0.05,
        }
    return common


def write(event, **fields):
    line = json.dumps({"event": event, **fields}) + "\n"
    # One write, so that a reader never sees half of a line but at the end of the file.
    with open(os.environ["DOWNBEAT_TEST_JOURNAL"], "ab", buffering=0) as journal:
        journal.write(line.encode())


app = Celery("downbeat-tests")
own = settings(os.environ["DOWNBEAT_TEST_BROKER"])
broadcasts, decorated = own.pop("broadcasts", []), own.pop("decorated", {})
app.conf.update(own)
if broadcasts:
    app.conf.task_queues = [Broadcast(name) for name in broadcasts]


class Singleton(Task):
    """Takes a lock where the task is sent from, as celery-singleton does."""

    def apply_async(self, *args, **kwargs):
        return super().apply_async(*args, **kwargs)


@app.task(name="demo.add")
def add(a, b):
    return a + b


@app.task(name="demo.echo")
def echo(*args, **kwargs):
    return [args, kwargs]


@app.task(name="demo.hold")
def hold(socket):
    """Runs until somebody pushes to the list `gate`."""
    Redis(unix_socket_path=socket).blpop("gate")


@app.task(name="demo.fail")
def fail():
    raise ValueError("no such ☃")


if decorated:

    @app.task(name="demo.alert")
    def alert(failed):
        pass


for name, options in decorated.items():
    if options.pop("singleton", False):
        options["base"] = Singleton
    app.task(name=name, **options)(anything)


for name in os.environ.get("DOWNBEAT_TEST_TASKS", "").split():
    app.task(name=name)(anything)


@signals.worker_ready.connect
def on_ready(**_):
    write("ready")


@signals.task_prerun.connect
def on_run(task_id, task, args, kwargs, **_):
    request = task.request
    delivery = request.delivery_info or {}
    write(
        "run",
        id=task_id,
        task=task.name,
        args=args,
        kwargs=kwargs,
        headers=request.headers,
        queue=delivery.get("routing_key"),
        priority=delivery.get("priority"),
        expires=request.expires and str(request.expires),
        origin=request.origin,
        argsrepr=request.argsrepr,
        kwargsrepr=request.kwargsrepr,
        received=time.time(),
    )


@signals.task_revoked.connect
def on_revoked(request, **_):
    write("revoked", id=request.id)


@signals.task_rejected.connect
def on_rejected(exc, **_):
    write("rejected", reason=repr(exc))


@signals.task_unknown.connect
def on_unknown(exc, **_):
    write("rejected", reason=repr(exc))
