//! What is wrong with an address, and what to write instead.

use super::parameters;

/// Why an address is refused. It has no text of the address, which may be part of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It does not look like an address.
    #[error("this is not a broker address")]
    NotAnAddress,
    /// An unknown scheme.
    #[error("an unknown kind of broker")]
    UnknownScheme,
    /// `redis+cluster://`
    #[error("a Redis Cluster cannot hold lease, progress and queues")]
    Cluster,
    /// An AMQP broker, in a build without the feature `amqp`.
    #[error("this downbeat was built without AMQP")]
    WithoutAmqp,
    /// A scheme that other clients use for Sentinels.
    #[error("unsupported scheme `{0}://`")]
    OtherSentinels(&'static str),
    /// White space or a control character.
    #[error("the broker address contains white space")]
    WhiteSpace,
    /// `#`
    #[error("the broker address contains `#`")]
    Fragment,
    /// A login with an unencoded character that would end it.
    #[error("a character in the password must be percent-encoded")]
    LoginMustBeEncoded,
    /// Percent-encoded bytes that are not UTF-8.
    #[error("something percent-encoded in the broker address is not UTF-8")]
    NotUtf8,
    /// `USER@HOST`
    #[error("the broker address has a user without a password")]
    NoPassword,
    /// A missing host.
    #[error("the broker address has no host")]
    NoHost {
        /// What to write.
        example: &'static str,
    },
    /// A character that host names cannot have.
    #[error("the broker address has a character that no host name has")]
    BadHost,
    /// A port that is not a number from 1 to 65535.
    #[error("the port of the broker address is not a number")]
    BadPort {
        /// What to write.
        example: &'static str,
    },
    /// Several servers that are not Sentinels.
    #[error("the broker address names more than one server")]
    SeveralServers,
    /// `sentinel://…;sentinel://…`
    #[error("more than one broker address")]
    SeveralAddresses,
    /// More Sentinels than can be asked in time.
    #[error("more than {} Sentinels", super::MAX_SENTINELS)]
    TooManySentinels,
    /// `master=` is missing, or is not a name.
    #[error("the broker address does not name the Sentinels' master")]
    NoMaster,
    /// A user for the Sentinels, but no password.
    #[error("`sentinel_user` without `sentinel_password`")]
    NoSentinelPassword,
    /// A database that is not a number.
    #[error("the database of the broker address is not a number")]
    BadDatabase {
        /// How to write a database here.
        hint: &'static str,
    },
    /// Two different databases.
    #[error("the broker address names two databases")]
    TwoDatabases,
    /// A login in front and another among the parameters.
    #[error("the broker address has two logins")]
    TwoLogins,
    /// A socket without an absolute path.
    #[error("a socket needs an absolute path")]
    RelativeSocket,
    /// `spool:`
    #[error("a spool needs a path")]
    NoPath,
    /// A path that may be the address of a server, with a password in it.
    #[error("the path of a {0} looks like the address of a server")]
    PathOfAServer(&'static str),
    /// A path that a shell should have expanded.
    #[error("`~` and `$` are not expanded in the path of a spool")]
    NotExpanded,
    /// Parameters without a `?`, one of which may be the password.
    #[error("`=` or `&` in the path of a socket")]
    ParameterInPath,
    /// A known parameter that is not supported here.
    #[error("`{name}` cannot be used in the broker address")]
    Refused {
        /// Its name.
        name: &'static str,
        /// What to do instead.
        hint: &'static str,
    },
    /// A parameter that is given twice.
    #[error("`{0}` is given twice in the broker address")]
    Twice(&'static str),
    /// A parameter without a value.
    #[error("`{0}` has no value in the broker address")]
    NoValue(&'static str),
    /// A value that is shown but may contain another parameter: the password.
    #[error("`=` in the value of `{0}` in the broker address")]
    ParameterInValue(&'static str),
    /// An unknown parameter.
    #[error("unknown parameter in the broker address, the {} after `?`", ordinal(*.position))]
    UnknownParameter {
        /// Its position, counted from 1.
        position: usize,
        /// A known parameter with a similar name.
        near: Option<&'static str>,
        /// The known parameters.
        known: &'static [&'static str],
    },
}

const SCHEMES: &str = "write `redis://HOST:6379/0`, `unix:///PATH`, `amqp://HOST:5672//` or \
                       `spool:PATH`; with TLS `rediss://…` or `amqps://…`; for Sentinels \
                       `sentinel://…`";
const SENTINELS: &str = "write `sentinel://HOST:26379,HOST:26379,HOST:26379/0?master=NAME`; with \
                         TLS `rediss+sentinel://…`";

impl AddressError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> String {
        use AddressError::*;
        let hint = match self {
            NotAnAddress | UnknownScheme | Cluster => SCHEMES,
            WithoutAmqp => {
                "install it with its default features: `cargo install --locked downbeat`"
            }
            OtherSentinels(_) | SeveralAddresses | NoMaster => SENTINELS,
            WhiteSpace => "percent-encode it: a space is `%20`",
            Fragment => "percent-encode it: `#` is `%23`",
            LoginMustBeEncoded => {
                "in a user or password, `/` is `%2F`, `?` is `%3F`, `#` is `%23` and `@` is `%40`"
            }
            NotUtf8 => "a `%` that stands for itself is written `%25`",
            NoPassword => "write `USER:PASSWORD@HOST`, or `:PASSWORD@HOST` for the default user",
            BadHost => "a host is a name or an IP address; put IPv6 addresses in brackets",
            NoHost { example } => return format!("write `{example}`"),
            BadPort { example } => return format!("write it like `{example}`"),
            SeveralServers => {
                "name one of them; for Sentinels write `sentinel://HOST,HOST/0?master=NAME`"
            }
            TooManySentinels => "name three or five of them",
            NoSentinelPassword => "name both, or the password alone for the default user",
            BadDatabase { hint } => hint,
            TwoDatabases => "keep one of them",
            TwoLogins => "keep the one in front of the host",
            RelativeSocket => "write three slashes: `unix:///run/redis/redis.sock`",
            NoPath => "write `spool:/var/spool/downbeat`",
            PathOfAServer("spool") => {
                "leave out `spool:` to use the server; a folder is named by its whole path"
            }
            PathOfAServer(_) => {
                "write `redis://…` to use the server, `USER:PASSWORD@` in front of the path to log in, \
                 or `%40` for an `@` in the path"
            }
            NotExpanded => "name the folder by its whole path",
            ParameterInPath => "parameters follow a `?`; in a path, `=` is `%3D` and `&` is `%26`",
            Refused { hint, .. } => hint,
            Twice(_) => "keep one of them",
            NoValue(_) => "give it one, or leave it out",
            ParameterInValue(_) => "put `&` between parameters; in a value, `=` is `%3D`",
            UnknownParameter { near: Some(near), .. } => {
                return format!("did you mean `{near}`? `&` in a password is `%26`");
            }
            UnknownParameter { known: [], .. } => "leave out `?` and what follows",
            UnknownParameter { known, .. } => {
                return format!(
                    "the parameters are {}; `&` in a password is `%26`",
                    parameters::list(known)
                );
            }
        };
        hint.to_owned()
    }
}

fn ordinal(number: usize) -> String {
    let suffix = match number {
        1 => "st",
        2 => "nd",
        3 => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}
