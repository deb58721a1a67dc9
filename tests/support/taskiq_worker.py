"""A taskiq worker that writes a line of JSON for each run of a task.

Arguments: a Redis socket, the queue, and `list` or `stream`; then perhaps the serializer of results, pickle or
json, and their prefix. DOWNBEAT_TEST_JOURNAL is the file to write to.
"""

import asyncio
import json
import os
import sys

from redis.asyncio import Redis
from taskiq import Context, SimpleRetryMiddleware, TaskiqDepends
from taskiq.api import run_receiver_task
from taskiq.serializers import JSONSerializer, PickleSerializer
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker

socket, queue, form, *results = sys.argv[1:]

url = f"unix://{socket}"
broker = {"list": ListQueueBroker, "stream": RedisStreamBroker}[form](url, queue_name=queue)
broker = broker.with_middlewares(SimpleRetryMiddleware())
if results:
    serializer = {"pickle": PickleSerializer, "json": JSONSerializer}[results[0]]()
    prefix = results[1] if results[1:] else None
    backend = RedisAsyncResultBackend(url, serializer=serializer, prefix_str=prefix)
    broker = broker.with_result_backend(backend)


def write(context, args, kwargs):
    message = context.message
    run = {"id": message.task_id, "task": message.task_name, "args": args, "kwargs": kwargs, "labels": message.labels}
    # One write, so that a reader never sees half of a line but at the end of the file.
    with open(os.environ["DOWNBEAT_TEST_JOURNAL"], "ab", buffering=0) as journal:
        journal.write((json.dumps(run) + "\n").encode())


@broker.task("demo.echo")
async def echo(*args, context: Context = TaskiqDepends(), **kwargs):
    write(context, args, kwargs)
    return [args, kwargs]


@broker.task("demo.fail")
async def fail(context: Context = TaskiqDepends()):
    write(context, [], {})
    raise ValueError("no such ☃")


@broker.task("demo.nap")
async def nap(seconds, context: Context = TaskiqDepends()):
    write(context, [seconds], {})
    await asyncio.sleep(seconds)


@broker.task("demo.hold")
async def hold(socket, context: Context = TaskiqDepends()):
    """Runs until somebody pushes to the list `gate`."""
    write(context, [socket], {})
    await Redis(unix_socket_path=socket).blpop("gate")


async def main():
    await broker.startup()
    await run_receiver_task(broker)


asyncio.run(main())
