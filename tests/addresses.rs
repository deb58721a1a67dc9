//! An address means what Python's clients mean by it.

use downbeat::address::{Address, Endpoint, Login, RedisServer};
use serde_json::Value;

use crate::support::tools::{answers, needs};

/// What redis-py (`redis`, `rediss`, `unix`) or kombu (`redis+socket`, `amqp`, `amqps`) makes of
/// each line: the parts that matter.
const READER: &str = r#"
import json, sys
from redis.connection import parse_url
from kombu import Connection
from kombu.transport.redis import Channel

def part(value):
    return "-" if value is None else str(value)

def of_redis(url):
    read = parse_url(url)
    place = read["path"] if "path" in read else f'{read["host"]}:{read.get("port", 6379)}'
    tls = getattr(read.get("connection_class"), "__name__", "") == "SSLConnection"
    return place, tls, read.get("username"), read.get("password"), read.get("db", 0)

def of_kombu(url):
    client = Connection(url)
    if url.startswith("amqp"):
        host = f"{client.hostname}:{client.port or (5671 if url.startswith('amqps') else 5672)}"
        tls = url.startswith("amqps")
        return host, tls, client.userid, client.password, client.virtual_host
    channel = Channel.__new__(Channel)
    channel.connection = type("", (), {"client": client, "default_port": 6379})()
    channel._registered = False
    read = channel._connparams()
    return read["path"], False, read["username"], read["password"], read["db"]

for line in sys.stdin:
    url = json.loads(line)
    read = of_redis(url) if url.startswith(("redis:", "rediss:", "unix:")) else of_kombu(url)
    print(json.dumps("\t".join(map(part, read))), flush=True)
"#;

/// The same parts as the address's own reader has them.
fn read(text: &str) -> String {
    let Ok(address) = Address::parse(text) else { return "refused".to_owned() };
    let (place, tls, login, database) = match address {
        Address::Redis(redis) => {
            let (place, tls) = match redis.server {
                RedisServer::At(Endpoint::Tcp { host, tls }) => {
                    (format!("{}:{}", host.host(), host.port()), tls)
                }
                RedisServer::At(Endpoint::Socket(path)) => (path.display().to_string(), false),
                RedisServer::Sentinel(_) => panic!("kombu has another form: {text}"),
            };
            (place, tls, redis.login, redis.database.to_string())
        }
        Address::Amqp(amqp) => {
            let place = format!("{}:{}", amqp.host.host(), amqp.host.port());
            (place, amqp.tls, amqp.login, amqp.virtual_host)
        }
        Address::Spool(_) => panic!("{text} is a folder"),
    };
    let tls = if tls { "True" } else { "False" };
    let user = login.as_ref().and_then(|login| login.user.clone());
    let password = login.map(|Login { password, .. }| password.expose().to_owned());
    let part = |part: Option<String>| part.unwrap_or_else(|| "-".to_owned());
    [place, tls.to_owned(), part(user), part(password), database].join("\t")
}

/// Read alike, one by one.
const ALIKE: &[&str] = &[
    "redis://host",
    "redis://Host:6380/3",
    "redis://host/3/",
    "redis://host/%33",
    "redis://host?db=2",
    "redis://host/2?db=2",
    "redis://:word@host/1",
    "redis://me:w%2Fo%40r%25d@[::1]:7/1",
    "redis://:100%@host",
    "redis://:a+b@host",
    "redis://me:a:b@host",
    "redis://host?username=me&password=word",
    "redis://host?password=a+b%2Bc%2520",
    "redis://@host/1",
    "redis://host?socket_timeout=5&health_check_interval=30&db=4",
    "rediss://:word@host:6380/0?ssl_cert_reqs=required",
    "rediss://host?db=7",
    "unix:///run/redis.sock",
    "unix:///run/my%20redis.sock?db=5",
    "unix://me:word@/run/redis.sock?db=5",
    "unix:///run/redis.sock?password=word&username=me",
    "redis+socket:///run/redis.sock",
    "redis+socket:///run/redis.sock?virtual_host=5",
    "redis+socket:///run/redis.sock?virtual_host=/5",
    "redis+socket://me:word@/run/redis.sock?virtual_host=5",
    "amqp://me:word@host",
    "amqp://me:word@host/",
    "amqp://me:word@host//",
    "amqp://me:w%40rd@host:5673/%2F",
    "amqps://me:word@host/jobs",
    "amqp://me:word@host/a%2Fb/c",
];

/// Refused here, though some client reads them: each reads them in its own way, or one that is a
/// surprise.
const REFUSED: &[&str] = &[
    // 2 to redis-py, nothing to kombu.
    "redis://host/1?db=2",
    // 12 to redis-py.
    "redis://host/1/2",
    // 0 to redis-py.
    "redis://host/tasks",
    "redis://host?virtual_host=2",
    // 0 to kombu, 2 to Celery's result backend.
    "redis+socket:///run/redis.sock?db=2",
    // Left out by kombu.
    "redis+socket:///run/redis.sock?password=word",
    "redis://:one@host?password=other",
    "redis://me@host",
    "rediss://host?ssl_cert_reqs=none",
    "redis://host?unknown=1",
];

#[test]
fn addresses_mean_what_redis_py_and_kombu_mean_by_them() {
    needs!(Python);
    let questions: Vec<Value> = ALIKE.iter().map(|text| (*text).into()).collect();
    for (text, theirs) in ALIKE.iter().zip(answers(READER, &questions)) {
        assert_eq!(read(text), theirs, "{text}");
    }
    for text in REFUSED {
        assert_eq!(read(text), "refused", "{text}");
    }
}
