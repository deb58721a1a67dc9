//! Failed connections: each message says why and what to do, and hides the password.

use std::fs;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;

use crate::support::certificates::{Authority, Pair};
use crate::support::downbeat::{Finished, Place};
use crate::support::rabbitmq::RabbitMq;
use crate::support::redis::{Options, RedisServer, free_port};
use crate::support::tools::needs;

fn place(url: &str) -> Place {
    let place = Place::new().env("DOWNBEAT_BROKER", url);
    place.write_schedule("all.yaml", "entries:\n  tick: {task: t, every: 1h, queue: q}\n");
    place
}

/// What `trigger` says of a broker that it cannot reach.
fn said(place: &Place) -> String {
    trigger(place, 3)
}

/// The same of one that answers no.
fn refused(place: &Place) -> String {
    trigger(place, 1)
}

fn trigger(place: &Place, exit: i32) -> String {
    let said = place.run(&["trigger", "tick"]).refused(exit);
    assert!(!said.contains("s3cret"), "{said}");
    said
}

/// A server with this password for the default user, and a port.
fn redis(args: &[&str]) -> RedisServer {
    let password = "s3cret";
    let args = [&["--requirepass", password], args].concat();
    let args = args.into_iter().map(str::to_owned).collect();
    RedisServer::start_with(Options { tcp: true, args, password, ..Options::default() })
}

#[test]
fn a_login_that_redis_refuses_is_told_with_what_to_write() {
    needs!(Redis);
    let server = redis(&[]);
    let at = |login: &str| server.tcp_url().replace("redis://", &format!("redis://{login}"));
    let shown = format!("127.0.0.1:{}/0", server.port());

    let wrong = refused(&place(&at("me:s3cret-not@")));
    assert!(wrong.contains("WRONGPASS"), "{wrong}");
    assert!(wrong.contains("compare user and password in the address"), "{wrong}");
    assert!(wrong.contains(&format!("no connection to redis://me:***@{shown}")), "{wrong}");
    let without = refused(&place(&at("")));
    assert!(without.contains("NOAUTH"), "{without}");
    assert!(without.contains("write `USER:PASSWORD@` in front of the host"), "{without}");
    assert!(without.contains(&format!("no connection to redis://{shown}")), "{without}");

    let rules = ["ACL", "SETUSER", "me", "on", ">s3cret", "~*", "&*", "+@all", "-evalsha"];
    let mut permit = redis::cmd(rules[0]);
    permit.arg(&rules[1..]).exec(&mut server.connect()).unwrap();
    let forbidden = refused(&place(&at("me:s3cret@")));
    assert!(forbidden.contains("NOPERM") && forbidden.contains("evalsha"), "{forbidden}");
    assert!(forbidden.contains("docs/brokers.md says what the user needs"), "{forbidden}");
    assert!(forbidden.contains(&format!("redis://me:***@{shown}")), "{forbidden}");

    let database = refused(&place(&at(":s3cret@").replace("/0", "/99")));
    assert!(database.contains("redis has no such database"), "{database}");
}

#[test]
fn a_port_that_speaks_tls_or_does_not_is_told_with_the_scheme_to_write() {
    needs!(Redis);
    let authority = Authority::new();
    let Pair { cert, key } = authority.sign("127.0.0.1");
    let [cert, key, ca] = [cert, key, authority.ca()].map(|path| path.display().to_string());
    let port = free_port().to_string();
    let args = ["--tls-port", &port, "--tls-cert-file", &cert, "--tls-key-file", &key];
    let args = [&args[..], &["--tls-ca-cert-file", &ca, "--tls-auth-clients", "no"]].concat();
    let server = redis(&args);

    let at_tls = said(&place(&format!("redis://:s3cret@127.0.0.1:{port}")));
    assert!(at_tls.contains("if it speaks TLS on that port, write `rediss://`"), "{at_tls}");
    assert!(at_tls.contains(&format!("no connection to redis://:***@127.0.0.1:{port}/0")));
    // Whether Redis answers what it does not understand depends on whether a line ends in it.
    let url = server.tcp_url().replace("redis://", "rediss://:s3cret@");
    let silent = without_tls(b"");
    let answering = without_tls(b"-ERR unknown command\r\n");
    for url in [url, format!("rediss://:s3cret@{silent}"), format!("rediss://:s3cret@{answering}")]
    {
        let at_plain = said(&place(&url));
        assert!(at_plain.contains("speak TLS on that port"), "{at_plain}");
        assert!(at_plain.contains("write `redis://`"), "{at_plain}");
        assert!(at_plain.contains("no connection to rediss://:***@127.0.0.1:"), "{at_plain}");
    }
}

/// Where a server listens that says this to whatever it is asked.
fn without_tls(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.write_all(answer).unwrap();
            // Until the client hangs up.
            let _ = io::copy(&mut stream, &mut io::sink());
        }
    });
    address
}

#[test]
fn a_port_of_rabbitmq_that_speaks_tls_or_does_not_is_told_with_the_scheme_to_write() {
    needs!(Redis, RabbitMq);
    let (rabbitmq, state) = (RabbitMq::shared(), RedisServer::start());
    let said = |url: &str| said(&place(url).env("DOWNBEAT_STATE", &state.url()));
    let swapped = |url: String, from: &str, to: &str| {
        url.replace(from, to).replace("guest:guest@", "guest:s3cret@")
    };
    let at_tls = said(&swapped(rabbitmq.tls_url(), "amqps://", "amqp://"));
    assert!(at_tls.contains("if the server speaks TLS on that port, write `amqps://`"), "{at_tls}");
    assert!(at_tls.contains("no connection to amqp://guest:***@127.0.0.1:"), "{at_tls}");
    let at_plain = said(&swapped(rabbitmq.url(), "amqp://", "amqps://"));
    assert!(at_plain.contains("does not speak TLS on that port"), "{at_plain}");
    assert!(at_plain.contains("write `amqp://`"), "{at_plain}");
    assert!(at_plain.contains("no connection to amqps://guest:***@127.0.0.1:"), "{at_plain}");
    let wrong = place(&swapped(rabbitmq.url(), "", "")).env("DOWNBEAT_STATE", &state.url());
    let wrong = refused(&wrong);
    assert!(wrong.contains("ACCESS_REFUSED"), "{wrong}");
    assert!(wrong.contains("compare user and password in the address"), "{wrong}");
}

#[test]
fn a_socket_that_may_not_be_written_to_or_is_not_there_is_told() {
    needs!(Redis);
    let server = RedisServer::start();
    let socket = server.socket();
    let place = place(&server.url());
    let let_in = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let_in(&socket, 0o000);
    let mut command = place.command(&["trigger", "tick"]);
    if rustix::process::geteuid().is_root() {
        // Whom nothing is forbidden.
        let_in(socket.parent().unwrap(), 0o755);
        let_in(place.path(), 0o755);
        chown(place.runtime(), Some(65_534), Some(65_534)).unwrap();
        command.uid(65_534).gid(65_534);
    }
    let forbidden = Finished::from(command.output().unwrap()).refused(3);
    assert!(forbidden.contains("make it a member of the socket's group"), "{forbidden}");
    assert!(forbidden.contains("unixsocketperm 770"), "{forbidden}");
    assert!(forbidden.contains(&format!("unix://{}", socket.display())), "{forbidden}");

    if rustix::process::geteuid().is_root() {
        chown(place.runtime(), Some(0), Some(0)).unwrap();
    }
    fs::remove_file(&socket).unwrap();
    let missing = said(&place);
    assert!(missing.contains("there is no such socket: start the server"), "{missing}");
}
