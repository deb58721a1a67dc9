"""A Dramatiq worker that writes a line of JSON for each message that it runs or skips.

Arguments: a Redis socket or the URL of RabbitMQ, the namespace, the queue. DOWNBEAT_TEST_JOURNAL is
the file to write to.
"""

import json
import os
import signal
import sys

import dramatiq
import redis
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker

server, namespace, queue = sys.argv[1:]


class Journal(dramatiq.Middleware):
    def before_process_message(self, broker, message):
        self.write("run", message)

    def after_skip_message(self, broker, message):
        self.write("skip", message)

    def write(self, event, message):
        line = json.dumps({"event": event, **message.asdict()}) + "\n"
        # One write, so that a reader never sees half of a line but at the end of the file.
        with open(os.environ["DOWNBEAT_TEST_JOURNAL"], "ab", buffering=0) as journal:
            journal.write(line.encode())


if server.startswith("amqp://"):
    broker = RabbitmqBroker(url=server.rstrip("/"), max_priority=9)
else:
    broker = RedisBroker(client=redis.Redis(unix_socket_path=server), namespace=namespace)
# After the one that skips messages of too great an age: what that refuses never gets here.
broker.add_middleware(Journal())
dramatiq.set_broker(broker)


@dramatiq.actor(actor_name="demo.echo", queue_name=queue)
def echo(*args, **kwargs):
    pass


@dramatiq.actor(actor_name="demo.fail", queue_name=queue)
def fail():
    raise RuntimeError("as asked")


worker = dramatiq.Worker(broker, worker_threads=1)
worker.start()
signal.pause()
