//! What is accepted and what it means, and that no password is shown.

use super::*;

fn parse(text: &str) -> Result<Address, AddressError> {
    Address::parse(text)
}

fn redis(text: &str) -> RedisAddress {
    match parse(text) {
        Ok(Address::Redis(address)) => address,
        other => panic!("{text}: {other:?}"),
    }
}

/// User, password.
fn login(login: Option<&Login>) -> Option<(Option<&str>, &str)> {
    login.map(|login| (login.user.as_deref(), login.password.expose()))
}

#[test]
fn an_address_is_shown_by_its_parts_and_without_passwords() {
    for (text, shown) in [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://LocalHost", "redis://localhost:6379/0"),
        ("redis://[0:0::0001]", "redis://[::1]:6379/0"),
        ("redis://:s3cret@host:6380", "redis://:***@host:6380/0"),
        ("redis://me:s%40cret@[::1]/2?protocol=3", "redis://me:***@[::1]:6379/2"),
        ("redis://host?db=2&username=a%40b&password=s3cret", "redis://a%40b:***@host:6379/2"),
        ("unix:///run/redis.sock?db=1&user=me&pass=s3cret", "unix://me:***@/run/redis.sock?db=1"),
        ("unix:///run/redis@main/redis.sock", "unix:///run/redis%40main/redis.sock"),
        ("redis+unix:///run/my%20redis.sock", "unix:///run/my%20redis.sock"),
        ("redis+socket://:s3cret@/run/r?virtual_host=3", "unix://:***@/run/r?db=3"),
        ("rediss://me:s3cret@host:6380/0?ssl_cert_reqs=required", "rediss://me:***@host:6380/0"),
        (
            "sentinel://me:s3cret@a,b:1/0?master=m&sentinel_password=s3cret",
            "sentinel://me:***@a:26379,b:1/0?master=m&sentinel_password=***",
        ),
        ("rediss+sentinel://a/4?master=m", "rediss+sentinel://a:26379/4?master=m"),
        ("amqp://guest:s3cret@host:5672//", "amqp://guest:***@host:5672//"),
        ("amqp://host", "amqp://host:5672//"),
        ("amqps://me:s3cret@[::1]/jobs%20/x", "amqps://me:***@[::1]:5671/jobs%20/x"),
        ("spool:mail", "spool:mail"),
        ("spool:./host:6379", "spool:./host:6379"),
        ("spool:/srv/a:b/~x", "spool:/srv/a:b/~x"),
        ("spool:///var/spool/x@1", "spool:/var/spool/x@1"),
        ("spool:////srv/x", "spool:/srv/x"),
    ] {
        let address = parse(text).unwrap();
        assert_eq!(address.to_string(), shown, "{text}");
        assert!(!format!("{address:?} {address:#?}").contains("cret"), "{address:?}");
        assert_eq!(parse(shown).unwrap().to_string(), shown, "what is shown reads the same");
    }
}

#[test]
fn parts_are_decoded() {
    let address = redis("redis://m%3Ae:s%2Fec:r%ef%bd%81@host/%31");
    assert_eq!(login(address.login.as_ref()), Some((Some("m:e"), "s/ec:rａ")));
    assert_eq!(address.database, 1);
    // As in redis-py: a `+` is literal in a login, and a space in a parameter.
    assert_eq!(login(redis("redis://:a+b@h").login.as_ref()), Some((None, "a+b")));
    assert_eq!(login(redis("redis://h?password=a+b%2B").login.as_ref()), Some((None, "a b+")));
    assert_eq!(login(redis("redis://:100%@h").login.as_ref()), Some((None, "100%")));
    let Ok(Address::Amqp(amqp)) = parse("amqp://host/%2Fjobs") else { panic!() };
    assert_eq!((amqp.virtual_host.as_str(), amqp.host.port()), ("/jobs", 5672));
    let sentinels = "rediss+sentinel://me:s3%40@a,b:1,[::1]:2/3?master=main&sentinel_password=p";
    let RedisServer::Sentinel(sentinels) = redis(sentinels).server else { panic!() };
    let shown: Vec<String> = sentinels.nodes.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["a:26379", "b:1", "[::1]:2"]);
    assert_eq!((sentinels.master.as_str(), sentinels.tls), ("main", true));
    assert_eq!(login(sentinels.login.as_ref()), Some((None, "p")));
}

#[test]
fn a_bad_address_says_why_without_quoting_it() {
    for (text, message) in [
        ("", "this is not a broker address"),
        ("localhost:6379", "this is not a broker address"),
        ("redis:/me:s3cret@host", "this is not a broker address"),
        ("unix:/s?pass=s3cret", "this is not a broker address"),
        ("s3cret://host", "an unknown kind of broker"),
        ("redis+cluster://:s3cret@host", "a Redis Cluster cannot hold lease, progress and queues"),
        ("redis+sentinel://:s3cret@a/0", "unsupported scheme `redis+sentinel://`"),
        ("redis://", "the broker address has no host"),
        ("redis://:s3cret@", "the broker address has no host"),
        ("redis://:s3cret", "the broker address has no host"),
        ("redis://me:s3cret", "the port of the broker address is not a number"),
        ("redis://host:0", "the port of the broker address is not a number"),
        ("redis://host:+80", "the port of the broker address is not a number"),
        ("redis://host/s3cret", "the database of the broker address is not a number"),
        ("redis://host/1/2", "the database of the broker address is not a number"),
        ("redis://host?db=s3cret", "the database of the broker address is not a number"),
        ("redis://host/1?db=2", "the broker address names two databases"),
        ("redis://host?db=1&db=2", "`db` is given twice in the broker address"),
        ("redis://host?db=", "`db` has no value in the broker address"),
        (
            "redis://host?username=me;password=s3cret",
            "`=` in the value of `username` in the broker address",
        ),
        (
            "sentinel://a?master=m,sentinel_password=s3cret",
            "`=` in the value of `master` in the broker address",
        ),
        ("redis://:s3cret@host?password=s3cret", "the broker address has two logins"),
        ("redis://s3cret@host", "the broker address has a user without a password"),
        ("redis://s3cret:@host", "the broker address has a user without a password"),
        ("redis://:%ff@host", "something percent-encoded in the broker address is not UTF-8"),
        ("redis://a,b/0", "the broker address names more than one server"),
        ("redis://s3cret!x", "the broker address has a character that no host name has"),
        ("redis://host/s3cret@x", "a character in the password must be percent-encoded"),
        ("redis://:s3/cret@host", "a character in the password must be percent-encoded"),
        ("redis://:s3 cret@host", "the broker address contains white space"),
        ("rediss://u:s3cret@host/0#s3cret", "the broker address contains `#`"),
        (
            "rediss://u:s3cret@host?ssl_cert_reqs=none",
            "`ssl_cert_reqs` cannot be used in the broker address",
        ),
        (
            "rediss://host?ssl_cert_reqs=required&ssl_ca_certs=s3cret",
            "`ssl_ca_certs` cannot be used in the broker address",
        ),
        (
            "rediss://host?ssl_check_hostname=false",
            "`ssl_check_hostname` cannot be used in the broker address",
        ),
        (
            "redis://host?ssl_cert_reqs=required",
            "`ssl_cert_reqs` cannot be used in the broker address",
        ),
        ("redis://host?virtual_host=2", "`virtual_host` cannot be used in the broker address"),
        ("redis+socket:///s?db=2", "`db` cannot be used in the broker address"),
        ("redis+socket:///s?password=s3cret", "`password` cannot be used in the broker address"),
        (
            "redis://host?db=1&s3cret=x",
            "unknown parameter in the broker address, the 2nd after `?`",
        ),
        ("unix://run/redis.sock", "a socket needs an absolute path"),
        ("unix://me:s3cret@", "a socket needs an absolute path"),
        ("unix:///u:s3cret@host/0", "the path of a socket looks like the address of a server"),
        ("unix:///s3cret@/redis.sock", "the path of a socket looks like the address of a server"),
        (
            "unix:///me/s3cret@/redis.sock",
            "the path of a socket looks like the address of a server",
        ),
        ("unix:///s3cret@host/0", "the path of a socket looks like the address of a server"),
        ("unix:///?pass=s3cret", "a socket needs an absolute path"),
        ("spool:", "a spool needs a path"),
        ("spool:redis://u:s3cret@h", "the path of a spool looks like the address of a server"),
        ("spool:redis:/u:s3cret@h", "the path of a spool looks like the address of a server"),
        ("spool:unix:s3cret", "the path of a spool looks like the address of a server"),
        ("spool:/unix:s3cret", "the path of a spool looks like the address of a server"),
        ("spool:/mine://s3cret", "the path of a spool looks like the address of a server"),
        ("spool:u:s3cret@h", "the path of a spool looks like the address of a server"),
        ("spool:/srv/u:s3cret@h", "the path of a spool looks like the address of a server"),
        ("spool:127.0.0.1:6379", "the path of a spool looks like the address of a server"),
        ("spool:host:6379/0", "the path of a spool looks like the address of a server"),
        ("spool://host", "the path of a spool looks like the address of a server"),
        ("spool://host/x", "the path of a spool looks like the address of a server"),
        ("spool:~/x", "`~` and `$` are not expanded in the path of a spool"),
        ("spool:$HOME/x", "`~` and `$` are not expanded in the path of a spool"),
        ("spool:s3cret@h", "the path of a spool looks like the address of a server"),
        ("spool:s3cret@h/x@y", "the path of a spool looks like the address of a server"),
        ("spool://s3cret@h/x", "the path of a spool looks like the address of a server"),
        ("spool:/x?password=s3cret", "the path of a spool looks like the address of a server"),
        ("spool:/x#s3cret", "the path of a spool looks like the address of a server"),
        ("spool:/x\ts3cret", "the path of a spool looks like the address of a server"),
        ("sentinel://:s3cret@a;sentinel://:s3cret@b", "more than one broker address"),
        ("sentinel://:s3cret@a,b/0", "the broker address does not name the Sentinels' master"),
        (
            "sentinel://a,b/0?master_name=s3cret",
            "`master_name` cannot be used in the broker address",
        ),
        ("sentinel://a,,b?master=m", "the broker address has no host"),
        ("sentinel://a/s3cret?master=m", "the database of the broker address is not a number"),
        ("sentinel://a?master=m&sentinel_user=u", "`sentinel_user` without `sentinel_password`"),
        (
            "sentinel://a?master=m&sentinel_password=abc&s3cret",
            "unknown parameter in the broker address, the 3rd after `?`",
        ),
        ("amqp://host:s3cret", "the port of the broker address is not a number"),
        ("amqp://:s3cret@/", "the broker address has no host"),
        ("amqp://host//?heartbeat=s3cret", "`heartbeat` cannot be used in the broker address"),
        ("amqp://me:s3/cret@host", "a character in the password must be percent-encoded"),
    ] {
        let error = parse(text).map(|address| address.to_string()).unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
        assert!(!format!("{error} {} {error:?}", error.hint()).contains("cret"), "{error:?}");
    }
}

#[test]
fn an_unknown_parameter_is_reported_with_a_similar_one_or_the_known_ones() {
    let hint = |text: &str| parse(text).unwrap_err().hint();
    assert!(hint("redis://h?passwort=x").starts_with("did you mean `password`?"));
    assert!(
        hint("redis://h?retries=x").starts_with("the parameters are `db`, `username`, `password`")
    );
    assert_eq!(hint("amqp://h/?retries=x"), "leave out `?` and what follows");
    assert!(hint("rediss://h?ssl_cert_reqs=none").contains("tls: {pin: {HOST: [sha256:…]}}"));
}

#[test]
fn a_parameter_that_tunes_another_client_has_no_effect() {
    let plain = redis("redis://h/1");
    for parameters in ["socket_timeout=5", "health_check_interval=30&protocol=3&max_connections=2"]
    {
        assert_eq!(redis(&format!("redis://h/1?{parameters}")), plain);
    }
}

#[test]
fn databases_of_one_server_are_distinguished_from_those_of_several() {
    let databases = |one: &str, other: &str| redis(one).databases(&redis(other));
    assert_eq!(databases("redis://h/1", "redis://:x@H:6379?db=2"), Some((1, 2)));
    assert_eq!(databases("unix:///s", "redis+socket:///s?virtual_host=3"), Some((0, 3)));
    assert_eq!(databases("redis://h", "rediss://h"), None);
    assert_eq!(databases("redis://h", "redis://h:6380"), None);
}
