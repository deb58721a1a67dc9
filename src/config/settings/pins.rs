//! `tls: {pin: …}`: the only certificates that are accepted at an address.

use serde_json::{Map, Value, json};

use super::sources::{Names, Sources};
use crate::text::{Excerpt, Node, Report};
use crate::tls::{Pin, PinError, Pinned, Pins};

const NAMES: Names = Names { key: "tls.pin", flag: "--tls-pin", env: "DOWNBEAT_TLS_PIN" };

/// Reads the pins of the strongest source: a mapping in the file, `HOST=sha256:…,…` in the others.
pub(super) fn read(
    flag: Option<String>,
    node: Option<&Node<'_>>,
    from: &mut Sources<'_, '_, '_>,
) -> Pins {
    let in_file = node.and_then(|node| from.read(NAMES.key, node, mapping));
    let from_text = from.setting_at(NAMES, flag, None);
    let from_text = from.check(from_text.as_ref(), |text| Ok(Pins::parse(text)?));
    from_text.or(in_file).unwrap_or_default()
}

/// As `downbeat config` shows them.
pub(super) fn show(pins: &Pins) -> Value {
    let list = |pins: &[Pin]| pins.iter().map(ToString::to_string).collect();
    let all: Map<_, _> = pins.iter().map(|(at, pins)| (at.to_string(), list(pins))).collect();
    if all.is_empty() { Value::Null } else { json!(all) }
}

fn mapping(node: &Node<'_>, report: &mut Report<'_>) -> Option<Pins> {
    let Some(pairs) = node.map() else {
        let message = format!("expected a mapping of hosts, found {}", report.found(node));
        report.error(node.span, message).hint("write `pin: {HOST: [sha256:…]}`");
        return None;
    };
    let mut pins = Pins::default();
    for pair in pairs {
        let at = Pinned::parse(pair.name());
        let at = at.map_err(|error| refuse(&pair.key, error, report)).ok();
        let items = pair.value.list().unwrap_or(std::slice::from_ref(&pair.value));
        if items.is_empty() {
            let hint = "name one, or leave out the host";
            report.error(pair.value.span, "no certificate is pinned").hint(hint);
        }
        for item in items {
            match Pin::parse(item.as_written().unwrap_or_default()) {
                Ok(pin) => at.iter().for_each(|at| pins.add(at.clone(), pin)),
                Err(error) => refuse(item, error, report),
            }
        }
    }
    Some(pins)
}

fn refuse(node: &Node<'_>, error: PinError, report: &mut Report<'_>) {
    let problem = report.error(node.span, error.to_string());
    problem.hint(error.hint());
    // The value may be anything, even a secret.
    problem.excerpt = Some(Box::new(Excerpt::of_value("pin")));
}
