//! What is wrong with an address, and what to write instead.

use super::parameters;

/// Why an address is refused. It holds no text of the address, which may be a password's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing like an address.
    #[error("this is not a broker's address")]
    NotAnAddress,
    /// No scheme that we know.
    #[error("an unknown kind of broker")]
    UnknownScheme,
    /// `redis+cluster://`
    #[error("a Redis Cluster cannot hold lease, progress and queues")]
    Cluster,
    /// Other clients' schemes for Sentinels.
    #[error("`{0}://` in a broker's address")]
    OtherSentinels(&'static str),
    /// White space or a control character.
    #[error("white space in a broker's address")]
    WhiteSpace,
    /// `#`
    #[error("`#` in a broker's address")]
    Fragment,
    /// A login with a character that ends it.
    #[error("a character in the password must be percent-encoded")]
    LoginMustBeEncoded,
    /// Something percent-encoded is no text.
    #[error("something that is percent-encoded in a broker's address is not UTF-8")]
    NotUtf8,
    /// `USER@HOST`
    #[error("a user without a password in a broker's address")]
    NoPassword,
    /// No host where one must be.
    #[error("a broker's address without a host")]
    NoHost {
        /// What to write.
        example: &'static str,
    },
    /// Something that no host is called.
    #[error("a character in a broker's address that no host's name has")]
    BadHost,
    /// A port that is none.
    #[error("the port of a broker's address is not a number")]
    BadPort {
        /// What to write.
        example: &'static str,
    },
    /// Several servers that are no Sentinels.
    #[error("more than one server in a broker's address")]
    SeveralServers,
    /// `sentinel://…;sentinel://…`
    #[error("more than one address of a broker")]
    SeveralAddresses,
    /// More than can be asked in time.
    #[error("more than {} Sentinels", super::MAX_SENTINELS)]
    TooManySentinels,
    /// No `master=`, or one that is no name.
    #[error("Sentinels without the name of a master")]
    NoMaster,
    /// A user for the Sentinels, but no password.
    #[error("`sentinel_user` without `sentinel_password`")]
    NoSentinelPassword,
    /// A database that is no number.
    #[error("the database in a broker's address is not a number")]
    BadDatabase {
        /// How databases are written there.
        hint: &'static str,
    },
    /// Two that differ.
    #[error("a broker's address names two databases")]
    TwoDatabases,
    /// In front and among the parameters.
    #[error("a broker's address has two logins")]
    TwoLogins,
    /// A socket that is not named by an absolute path.
    #[error("a socket needs an absolute path")]
    RelativeSocket,
    /// `spool:`
    #[error("a spool needs a path")]
    NoPath,
    /// A path that may be something else's address, with a password in it.
    #[error("the path of a {0} looks like the address of a server")]
    PathOfAServer(&'static str),
    /// A path as a shell would expand it.
    #[error("`~` and `$` are not expanded in the path of a spool")]
    NotExpanded,
    /// Parameters without the `?` in front, one of which may be the password.
    #[error("`=` or `&` in the path of a socket")]
    ParameterInPath,
    /// A parameter that has this name and cannot be taken.
    #[error("`{name}` in a broker's address")]
    Refused {
        /// Its name.
        name: &'static str,
        /// What to do instead.
        hint: &'static str,
    },
    /// A parameter that stands there twice.
    #[error("`{0}` stands twice in a broker's address")]
    Twice(&'static str),
    /// A parameter without a value.
    #[error("`{0}` without a value in a broker's address")]
    NoValue(&'static str),
    /// A parameter that nobody knows.
    #[error("unknown parameter in a broker's address, the {} after `?`", ordinal(*.position))]
    UnknownParameter {
        /// Where it stands, from 1 on.
        position: usize,
        /// One of a similar name.
        near: Option<&'static str>,
        /// Those that there are.
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
            OtherSentinels(_) | SeveralAddresses | NoMaster => SENTINELS,
            WhiteSpace => "percent-encode it: a space is `%20`",
            Fragment => "percent-encode it: `#` is `%23`",
            LoginMustBeEncoded => {
                "in a user or password, `/` is `%2F`, `?` is `%3F`, `#` is `%23` and `@` is `%40`"
            }
            NotUtf8 => "a `%` that stands for itself is written `%25`",
            NoPassword => "write `USER:PASSWORD@HOST`, or `:PASSWORD@HOST` for the default user",
            BadHost => "a host is a name or an IP address; one of IPv6 stands in brackets",
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
                "write `redis://…` to use the server, or `%40` for an `@` in the path"
            }
            NotExpanded => "name the folder by its whole path",
            ParameterInPath => "parameters follow a `?`; in a path, `=` is `%3D` and `&` is `%26`",
            Refused { hint, .. } => hint,
            Twice(_) => "keep one of them",
            NoValue(_) => "give it one, or leave it out",
            UnknownParameter { near: Some(near), .. } => {
                return format!("did you mean `{near}`? `&` in a password is `%26`");
            }
            UnknownParameter { known: [], .. } => "leave out `?` and what follows",
            UnknownParameter { known, .. } => {
                return format!(
                    "known are {}; `&` in a password is `%26`",
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
