"""Asks RQ's cron scheduler, or rq-scheduler, when jobs are due next.

downbeat runs this in a Python that has the library. It reads a request from standard input and writes one JSON
document to standard output. It connects to nothing, and runs none of the jobs.
"""
import json
import os
import sys
import time
from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# Both libraries end with the year 2099.
END_OF_YEARS = 4102444800000 - 86400000


def main():
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr  # downbeat shows the last line, which should be the error.
    request = json.load(sys.stdin)
    # RQ 3 and rq-scheduler read lines in the time zone of their machine.
    os.environ["TZ"] = request["timezone"]
    time.tzset()
    upcoming = {"rq-cron": of_rq, "rq-scheduler": of_rq_scheduler}[request["library"]]
    json.dump([answer(upcoming, asked, request) for asked in request["schedules"]], answers)
    answers.flush()


def answer(upcoming, asked, request):
    # The whole answer has a deadline, and rare instants take the libraries long.
    stop = time.monotonic() + 120 / max(len(request["schedules"]), 1)
    try:
        instants = []
        for due in upcoming(asked, moment(request["from"])):
            if due > request["from"]:
                instants.append(due)
            if len(instants) == min(request["count"], asked.get("repeat") or request["count"]):
                break
            if time.monotonic() > stop:
                return {"instants": instants, "until": due}
        else:
            if "cron" in asked:
                return {"instants": instants, "until": max([END_OF_YEARS, *instants[-1:]])}
        return {"instants": instants}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}


def moment(milliseconds):
    return EPOCH + timedelta(milliseconds=milliseconds)


def milliseconds(at):
    return round((at - EPOCH) / timedelta(milliseconds=1))


def of_rq(asked, start):
    from croniter import CroniterBadDateError
    from rq.cron import CronJob

    job = CronJob(queue_name="q", func_name="f", interval=asked.get("interval"), cron=asked.get("cron"))
    if asked.get("interval"):
        first = moment(asked["next"]) if "next" in asked else start
        length = timedelta(seconds=asked["interval"])
        start = first + ((start - first) // length) * length
    job.latest_enqueue_time = start
    while True:
        try:
            due = job.get_next_enqueue_time()
        except CroniterBadDateError:  # croniter finds no more.
            return
        if due <= job.latest_enqueue_time:
            return
        yield milliseconds(due)
        job.latest_enqueue_time = due


def of_rq_scheduler(asked, start):
    if "at" in asked:
        yield asked["at"]
    elif "interval" in asked:
        # `Scheduler.enqueue_job` adds the interval to the time at which it sends.
        due, length = asked["next"], round(asked["interval"] * 1000)
        due += max(0, (milliseconds(start) - due) // length) * length
        while True:
            yield due
            due += length
    else:
        from rq_scheduler import utils

        while True:
            utils.datetime = clock_at(start)
            try:
                due = utils.get_next_scheduled_time(asked["cron"], use_local_timezone=True)
            except AttributeError:  # `crontab` finds no more.
                return
            start = EPOCH + timedelta(seconds=utils.to_unix(due))
            yield milliseconds(start)


def clock_at(at):
    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromtimestamp(at.timestamp(), tz)

    return Clock


main()
