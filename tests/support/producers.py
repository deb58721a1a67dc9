"""Sends a few messages by the producers of Celery, RQ and Dramatiq.

Argument: the Redis socket.
"""

import sys

import dramatiq
import redis
from celery import Celery
from dramatiq.brokers.redis import RedisBroker
from rq import Queue
from rq.serializers import JSONSerializer

(socket,) = sys.argv[1:]
client = redis.Redis(unix_socket_path=socket)

app = Celery(broker=f"redis+socket://{socket}")
app.conf.task_send_sent_event = False


def send(task, **options):
    app.send_task(task, args=[1, "é☃"], kwargs={"n": {"a": [1, 2.5, None, True]}}, queue="foreign", **options)


send("plain", task_id="celery-1", headers={"x-trace": "abc"})
send("packed", task_id="celery-2", compression="zlib")
send("pickled", task_id="celery-3", serializer="pickle")
send("yaml", task_id="celery-4", serializer="yaml")
send("bzip2", task_id="celery-5", compression="bzip2")
send("later", task_id="celery-6", eta="2030-01-01T00:00:00+00:00", expires="2031-01-01T00:00:00+00:00", priority=9)

jobs = Queue("foreign", connection=client)
jobs.enqueue("tasks.plain", 1, "é☃", n={"a": [1, 2.5, None, True]}, job_id="rq-1", ttl=3600, meta={"trace": "abc"})
jobs.enqueue("tasks.object", redis.Redis, job_id="rq-2", description="tasks.object(Redis)")
Queue("foreign-json", connection=client, serializer=JSONSerializer).enqueue("tasks.json", 1, "é☃", job_id="rq-3")

broker = RedisBroker(client=client)
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name="foreign", max_age=3600000)
def act(*args, **kwargs):
    pass


act.send(1, "é☃", n={"a": [1, 2.5, None, True]})
