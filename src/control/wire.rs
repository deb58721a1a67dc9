//! What requests and responses have in common: bodies, bounds and headers.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::config::Identity;
use crate::manual::{Backfill, Trigger};
use crate::store::contract::BackfillStep;
use crate::text::duration;

/// Maximum bytes of a request body.
pub(super) const MAX_REQUEST: usize = 1 << 20;
/// Maximum bytes of the head of a request or response: a name in a path has up to 255 bytes, each of
/// which may be encoded as three.
pub(super) const MAX_HEAD: usize = 64 << 10;

/// The JSON of an error.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ErrorBody {
    /// For people.
    pub(super) error: String,
    /// For programs, if there is more to say than the status code does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<Value>,
}

/// A [`Trigger`] without the entry, which is in the path.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TriggerBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<String>,
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    args: Option<Value>,
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    kwargs: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    dry_run: bool,
    wants_result: bool,
}

/// Treats `null` as a value that is present (and invalid).
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

impl From<Trigger> for TriggerBody {
    fn from(trigger: Trigger) -> TriggerBody {
        let Trigger { entry: _, slot, args, kwargs, queue, id, by, dry_run, wants_result } =
            trigger;
        TriggerBody { slot, args, kwargs, queue, id, by, dry_run, wants_result }
    }
}

impl TriggerBody {
    pub(super) fn for_entry(self, entry: String) -> Trigger {
        let TriggerBody { slot, args, kwargs, queue, id, by, dry_run, wants_result } = self;
        Trigger { entry, slot, args, kwargs, queue, id, by, dry_run, wants_result }
    }
}

/// A [`Backfill`] without the entry, which is in the path.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackfillBody {
    from: String,
    to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// Sends slots even if an unfinished backfill by the same person may have sent them.
    #[serde(default)]
    again: bool,
    /// Every response has arrived: only record that the run has ended, and send nothing.
    #[serde(default)]
    ended: bool,
    #[serde(default)]
    dry_run: bool,
}

impl From<Backfill> for BackfillBody {
    fn from(backfill: Backfill) -> BackfillBody {
        let Backfill { entry: _, from, to, queue, run, by, step, dry_run } = backfill;
        let (again, ended) = (step == BackfillStep::BeginsAgain, step == BackfillStep::Ends);
        BackfillBody { from, to, queue, run, by, again, ended, dry_run }
    }
}

impl BackfillBody {
    pub(super) fn for_entry(self, entry: String) -> Backfill {
        let BackfillBody { from, to, queue, run, by, again, ended, dry_run } = self;
        let step = match (ended, again) {
            (true, _) => BackfillStep::Ends,
            (false, true) => BackfillStep::BeginsAgain,
            (false, false) => BackfillStep::Begins,
        };
        Backfill { entry, from, to, queue, run, by, step, dry_run }
    }
}

/// Which workers to ask, and the timeout.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkersBody {
    pub(super) queues: Vec<String>,
    /// The timeout as people write it: `1s`, `500ms`.
    #[serde(default = "default_timeout")]
    pub(super) timeout: String,
}

fn default_timeout() -> String {
    duration::format(std::time::Duration::from_secs(1))
}

const BROKER: HeaderName = HeaderName::from_static("downbeat-broker");
const STATE: HeaderName = HeaderName::from_static("downbeat-state");
const NAMESPACE: HeaderName = HeaderName::from_static("downbeat-namespace");

/// Characters that a header value cannot hold, or not at its ends.
const UNFIT: AsciiSet = CONTROLS.add(b' ').add(b'%');

/// The headers that identify the service.
pub(super) fn headers_of(service: &Identity) -> HeaderMap {
    let Identity { broker, state, namespace } = service;
    let values = [(BROKER, broker.as_ref()), (STATE, state.as_ref()), (NAMESPACE, Some(namespace))];
    let header = |(name, value): (HeaderName, Option<&String>)| {
        let value = utf8_percent_encode(value?, &UNFIT).to_string();
        Some((name, HeaderValue::try_from(value).ok()?))
    };
    values.into_iter().filter_map(header).collect()
}

/// The service that the headers identify; `None` if they do not.
pub(super) fn service_of(headers: &HeaderMap) -> Option<Identity> {
    let value = |name: &HeaderName| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(percent_decode_str(value).decode_utf8().ok()?.into_owned())
    };
    Some(Identity { broker: value(&BROKER), state: value(&STATE), namespace: value(&NAMESPACE)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_names_a_service_fits_into_headers() {
        for service in [
            Identity::default(),
            Identity {
                broker: Some("redis://me:***@host:6379/0".to_owned()),
                state: Some("spool:/var/ö 100%/\n".to_owned()),
                namespace: " 이름 ".to_owned(),
            },
        ] {
            assert_eq!(service_of(&headers_of(&service)), Some(service));
        }
        assert_eq!(service_of(&HeaderMap::new()), None);
    }

    #[test]
    fn arguments_that_are_null_are_given_and_those_that_are_missing_are_not() {
        let read = |text| serde_json::from_str::<TriggerBody>(text);
        assert_eq!(read(r#"{"args": null}"#).unwrap().args, Some(Value::Null));
        assert_eq!(read("{}").unwrap().args, None);
        assert!(read(r#"{"argz": []}"#).is_err());
    }
}
