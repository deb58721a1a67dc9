//! Control exchanges of Celery workers, as their bindings on the broker show them.

use crate::worker::celery::EXCHANGE_END;

/// What precedes the name of an exchange in the key of its bindings.
const BINDING: &str = "_kombu.binding.";
/// The pattern of all bindings of control exchanges.
pub(super) const BINDINGS: &str = "*_kombu.binding.*.pidbox";
/// Maximum number of other control exchanges that are listed.
pub(super) const MAX_OTHERS: usize = 5;

/// The key prefix and the `control_exchange` in the key of a control exchange's bindings; `None` for exchanges of
/// replies.
pub(super) fn control_exchange(key: &str) -> Option<(String, String)> {
    let (prefix, exchange) = key.split_once(BINDING)?;
    let name = exchange.strip_suffix(EXCHANGE_END)?;
    (!name.starts_with("reply.")).then(|| (prefix.to_owned(), name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_binding_shows_prefix_and_control_exchange() {
        let pair = |prefix: &str, name: &str| Some((prefix.to_owned(), name.to_owned()));
        assert_eq!(control_exchange("_kombu.binding.celery.pidbox"), pair("", "celery"));
        assert_eq!(control_exchange("shop-_kombu.binding.ctl.pidbox"), pair("shop-", "ctl"));
        assert_eq!(control_exchange("_kombu.binding.reply.celery.pidbox"), None);
        assert_eq!(control_exchange("_kombu.binding.celery"), None);
    }
}
