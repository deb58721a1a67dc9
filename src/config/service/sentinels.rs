//! `sentinel://`: a Redis whose address its Sentinels know.

use super::broker::{Refusal, check_database, host_and_port, refuse, split_server};

const FORM: &str = "write `sentinel://HOST:26379,HOST:26379,HOST:26379/0?master=NAME`; with TLS \
                    `rediss+sentinel://…`";
const DEFAULT_PORT: u16 = 26379;
/// Each is asked within its share of a deadline.
const MOST: usize = 16;

/// Sentinels, and the master to ask them for. Holds passwords.
pub(crate) struct Sentinels {
    /// Where each listens.
    pub(crate) hosts: Vec<(String, u16)>,
    /// Their name for the master.
    pub(crate) master: String,
    /// Whether all of them are reached by TLS, the master too.
    pub(crate) is_tls: bool,
    /// The master's login, percent-encoded: `USER:PASSWORD`, or nothing.
    pub(crate) login: String,
    /// The login of the Sentinels themselves.
    pub(crate) sentinel_login: String,
    /// The master's database.
    pub(crate) database: u32,
}

impl Sentinels {
    /// Reads `[user:password@]host[:port],…[/database]?master=NAME[&sentinel_user=…]
    /// [&sentinel_password=…]`; `None` if the address is of another kind.
    ///
    /// # Errors
    /// What is wrong and what to write instead, without the passwords.
    pub(crate) fn parse(text: &str) -> Result<Option<Sentinels>, Refusal> {
        let Some((scheme, rest)) = text.split_once("://") else { return Ok(None) };
        let is_tls = match scheme {
            "sentinel" => false,
            "rediss+sentinel" => true,
            "redis+sentinel" | "redis-sentinel" | "rediss-sentinel" | "sentinels" => {
                return refuse(&format!("`{scheme}://` in a broker's address"), FORM);
            }
            _ => return Ok(None),
        };
        if rest.contains(';') {
            return refuse("more than one address of a broker", FORM);
        }
        let (login, servers, database) = split_server(rest)?;
        let hosts: Vec<_> = servers.split(',').map(sentinel).collect::<Result<_, _>>()?;
        if hosts.len() > MOST {
            return refuse(&format!("more than {MOST} Sentinels"), "name three or five of them");
        }
        let options = Options::parse(rest.split_once('?').map_or("", |(_, options)| options))?;
        Ok(Some(Sentinels {
            hosts,
            master: options.master,
            is_tls,
            login: login.to_owned(),
            sentinel_login: options.login,
            database: check_database(database)?,
        }))
    }
}

fn sentinel(address: &str) -> Result<(String, u16), Refusal> {
    let (host, port) = host_and_port(address, FORM)?;
    Ok((host.to_owned(), port.unwrap_or(DEFAULT_PORT)))
}

struct Options {
    master: String,
    login: String,
}

impl Options {
    fn parse(text: &str) -> Result<Options, Refusal> {
        let (mut master, mut user, mut password) = ("", "", "");
        for option in text.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value_of = match name {
                "master" => &mut master,
                "sentinel_user" => &mut user,
                "sentinel_password" => &mut password,
                _ => {
                    let name = crate::config::node::shortened(name);
                    return refuse(&format!("`{name}` in a broker's address"), FORM);
                }
            };
            *value_of = value;
        }
        let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if master.is_empty() || !master.bytes().all(is_name) {
            return refuse("Sentinels without the name of a master", FORM);
        }
        if password.is_empty() && !user.is_empty() {
            return refuse("`sentinel_user` without `sentinel_password`", FORM);
        }
        if [user, password].iter().any(|text| text.contains(['/', '?', '#', '@', ':'])) {
            let hint = "in a user or password, `/` is `%2F`, `?` is `%3F`, `#` is `%23`, `@` is \
                        `%40` and `:` is `%3A`";
            return refuse("a character in the Sentinels' password must be percent-encoded", hint);
        }
        let login = if password.is_empty() { String::new() } else { format!("{user}:{password}") };
        Ok(Options { master: master.to_owned(), login })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_address_are_told_apart() {
        let text = "rediss+sentinel://me:s3%40@a,b:1,[::1]:2/3?master=main&sentinel_password=p";
        let found = Sentinels::parse(text).unwrap().unwrap();
        let host = |name: &str, port| (name.to_owned(), port);
        assert_eq!(found.hosts, [host("a", 26379), host("b", 1), host("::1", 2)]);
        assert_eq!((found.master.as_str(), found.database, found.is_tls), ("main", 3, true));
        assert_eq!((found.login.as_str(), found.sentinel_login.as_str()), ("me:s3%40", ":p"));
        let found = Sentinels::parse("sentinel://a?master=m").unwrap().unwrap();
        assert_eq!((found.login.as_str(), found.sentinel_login.as_str()), ("", ""));
        assert_eq!((found.database, found.is_tls), (0, false));
        assert!(Sentinels::parse("redis://a/0").unwrap().is_none());
    }

    #[test]
    fn another_form_is_told_the_right_one_without_its_passwords() {
        for (text, message) in [
            (
                "sentinel://:s3cret@a:26379;sentinel://:s3cret@b:26379",
                "more than one address of a broker",
            ),
            ("sentinel://:s3cret@a,b/0", "Sentinels without the name of a master"),
            ("sentinel://a,b/0?master_name=m", "`master_name` in a broker's address"),
            ("sentinel://a,,b?master=m", "a broker's address without a host"),
            ("sentinel://a:x?master=m", "the port of a broker's address is not a number"),
            ("sentinel://a/mymaster?master=m", "`mymaster` is not a database number"),
            ("redis+sentinel://a/0?master=m", "`redis+sentinel://` in a broker's address"),
            (
                "sentinel://a?master=m&sentinel_user=u",
                "`sentinel_user` without `sentinel_password`",
            ),
            (
                "sentinel://a?master=m&sentinel_password=s3cret#x",
                "a character in the Sentinels' password must be percent-encoded",
            ),
        ] {
            let (told, hint) = Sentinels::parse(text).err().unwrap();
            assert_eq!(told, message, "{text}");
            assert!(!(told + &hint).contains("s3cret"));
        }
    }
}
