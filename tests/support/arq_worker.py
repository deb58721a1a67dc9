"""An arq worker that writes a line of JSON for each run of a job.

Arguments: a Redis socket, the queue, and the serializer: pickle, json or msgpack. DOWNBEAT_TEST_JOURNAL is the
file to write to.
"""

import json
import os
import pickle
import sys

import msgpack
from arq import func
from arq.connections import RedisSettings
from arq.worker import Retry, Worker

socket, queue, serializer = sys.argv[1:]

SERIALIZERS = {
    "pickle": (pickle.dumps, pickle.loads),
    "json": (lambda job: json.dumps(job).encode(), json.loads),
    "msgpack": (msgpack.packb, msgpack.unpackb),
}
dumps, loads = SERIALIZERS[serializer]


async def write(ctx, args, kwargs):
    job = loads(await ctx["redis"].get("arq:job:" + ctx["job_id"]))
    run = {"id": ctx["job_id"], "args": args, "kwargs": kwargs, "try": ctx["job_try"], "job": job}
    # One write, so that a reader never sees half of a line but at the end of the file.
    with open(os.environ["DOWNBEAT_TEST_JOURNAL"], "ab", buffering=0) as journal:
        journal.write((json.dumps(run) + "\n").encode())


async def echo(ctx, *args, **kwargs):
    await write(ctx, args, kwargs)
    return [args, kwargs]


async def fail(ctx):
    await write(ctx, [], {})
    raise ValueError("no such ☃")


async def retry(ctx):
    await write(ctx, [], {})
    raise Retry()


async def thing(ctx):
    return ctx["enqueue_time"]


async def hold(ctx, socket):
    """Runs until somebody pushes to the list `gate`."""
    await write(ctx, [socket], {})
    await ctx["redis"].blpop("gate")


functions = {"demo.echo": echo, "demo.fail": fail, "demo.retry": retry, "demo.thing": thing, "demo.hold": hold}
Worker(
    functions=[func(function, name=name) for name, function in functions.items()],
    queue_name=queue,
    redis_settings=RedisSettings(unix_socket_path=socket),
    job_serializer=dumps,
    job_deserializer=loads,
    poll_delay=0.05,
).run()
