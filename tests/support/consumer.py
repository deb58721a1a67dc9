"""A consumer that writes down each message that it takes off a list, or reads from a stream.

Arguments: the Redis socket, "list" or "stream", the key. DOWNBEAT_TEST_JOURNAL is the file to write to.
"""

import json
import os
import sys

import redis

socket, kind, key = sys.argv[1:]
client = redis.Redis(unix_socket_path=socket, decode_responses=True)


def write(message):
    line = json.dumps(json.loads(message)) + "\n"
    # One write, so that a reader never sees half of a line but at the end of the file.
    with open(os.environ["DOWNBEAT_TEST_JOURNAL"], "ab", buffering=0) as journal:
        journal.write(line.encode())


def from_list():
    while True:
        _, message = client.brpop(key)
        write(message)


def from_stream():
    try:
        client.xgroup_create(key, "group", id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
    while True:
        read = client.execute_command(
            "XREADGROUP", "GROUP", "group", "one", "BLOCK", 0, "COUNT", 10, "STREAMS", key, ">"
        )
        [(_, entries)] = read.items() if isinstance(read, dict) else read
        for entry, fields in entries:
            fields = fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2]))
            write(fields["message"])
            client.xack(key, "group", entry)


{"list": from_list, "stream": from_stream}[kind]()
