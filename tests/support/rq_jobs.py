"""Jobs for RQ's workers. DOWNBEAT_TEST_JOURNAL is the file where each run is written down as a line of JSON."""

import json
import os
import time

from redis import Redis
from rq import get_current_job


def write_down(args, kwargs, job=None):
    job = job or get_current_job()
    run = {
        "id": job.id,
        "args": args,
        "kwargs": kwargs,
        "meta": job.meta,
        "queue": job.origin,
        "description": job.description,
        "timeout": job.timeout,
    }
    # One write, so that a reader never sees half of a line but at the end of the file.
    with open(os.environ["DOWNBEAT_TEST_JOURNAL"], "ab", buffering=0) as journal:
        journal.write((json.dumps(run) + "\n").encode())


def echo(*args, **kwargs):
    write_down(args, kwargs)
    return [args, kwargs]


def fail(*args, **kwargs):
    write_down(args, kwargs)
    raise ValueError("no such ☃")


def nap(seconds):
    write_down([seconds], {})
    time.sleep(seconds)


def done(job, connection, result):
    write_down(["done", result], {}, job)


def failed(job, connection, type, value, traceback):
    write_down(["failed", str(value)], {}, job)


def stopped(job, connection):
    write_down(["stopped"], {}, job)


def hold(socket):
    """Runs until somebody pushes to the list `gate`."""
    write_down([socket], {})
    Redis(unix_socket_path=socket).blpop("gate")
