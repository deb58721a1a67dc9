//! This machine's name and users.

use std::path::Path;

use crate::regular_file;

/// Maximum bytes of the list of users.
const MAX_USERS_BYTES: u64 = 16 << 20;

/// This machine's name as known to the kernel, without its domain.
#[must_use]
pub fn name() -> String {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_string_lossy();
    name.split('.').next().filter(|name| !name.is_empty()).unwrap_or("localhost").to_owned()
}

/// The name of a user, if the system's user list has it.
#[must_use]
pub(crate) fn user_name(uid: u32) -> Option<String> {
    let users = regular_file::read(Path::new("/etc/passwd"), MAX_USERS_BYTES).ok()?;
    find_user(&String::from_utf8_lossy(&users), uid).map(str::to_owned)
}

fn find_user(users: &str, uid: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_number() {
        let users = "root:x:0:0::/root:/bin/sh\nme:x:7:7::/:/bin/sh\n";
        assert_eq!((find_user(users, 7), find_user(users, 8)), (Some("me"), None));
    }
}
