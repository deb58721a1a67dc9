//! Shows the configuration without secrets.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::service_config::ServiceConfig;
use super::sources::SettingSource;
use super::{pins, queues};
use crate::text::duration;

/// Identifies a service by the settings in which a command may differ from it, without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// The broker of its messages.
    pub broker: Option<String>,
    /// The store of its state, beside an AMQP broker.
    pub state: Option<String>,
    /// Its namespace.
    pub namespace: String,
}

impl ServiceConfig {
    /// The identity of a service with this configuration.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let store = || self.broker.as_ref().map(ToString::to_string);
        Identity {
            broker: self.amqp.as_ref().map(ToString::to_string).or_else(store),
            state: self.amqp.as_ref().and_then(|_| store()),
            namespace: self.namespace.clone(),
        }
    }

    /// The differences between this configuration and that of the service that answers, in words.
    #[must_use]
    pub fn differences(&self, service: &Identity) -> Vec<String> {
        let own = self.identity();
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        [
            ("broker", text(&service.broker), text(&own.broker)),
            ("state", text(&service.state), text(&own.state)),
            ("namespace", service.namespace.clone(), own.namespace),
        ]
        .into_iter()
        .filter(|(key, ..)| self.unknown_broker.is_none() || *key == "namespace")
        .filter_map(|(key, theirs, ours)| {
            let source = self.source(key)?;
            (theirs != ours).then(|| {
                format!(
                    "`{key}`: the service uses {theirs}, your configuration ({source}) says \
                     {ours}; the service's was used"
                )
            })
        })
        .collect()
    }

    /// What set the key; `None` for a default.
    pub(super) fn source(&self, key: &str) -> Option<&SettingSource> {
        self.sources.iter().find(|(set, _)| *set == key).map(|(_, source)| source)
    }

    /// Every setting by its key (`leader.ttl`), with its effective value and what set it: `None` for a
    /// default. No value has a secret.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, Value, Option<&SettingSource>)> {
        let path = |path: &Path| json!(path.display().to_string());
        let client = self.tls.client.as_ref();
        let Identity { broker, state, namespace } = self.identity();
        let values = [
            ("config", self.file.as_deref().map_or(Value::Null, path)),
            ("broker", json!(broker)),
            ("state", json!(state)),
            ("tls.ca", self.tls.ca.as_deref().map_or(Value::Null, path)),
            ("tls.cert", client.map_or(Value::Null, |(cert, _)| path(cert))),
            ("tls.key", client.map_or(Value::Null, |(_, key)| path(key))),
            ("tls.pin", pins::show(&self.tls.pins)),
            ("schedules", self.schedules.iter().map(|schedules| path(schedules)).collect()),
            ("namespace", json!(namespace)),
            ("shadow", json!(self.shadow)),
            ("queues", self.queues.iter().map(|queue| queues::show(queue)).collect()),
            ("events", json!(self.events)),
            ("leader.ttl", json!(duration::format(self.ttl))),
            ("grace", json!(duration::format(self.grace))),
            ("http", json!(self.http)),
            ("history.keep", json!(duration::format(self.history.keep))),
            ("history.slots", json!(self.history.slots)),
            ("log.format", json!(self.log_format.as_str())),
            ("log.level", json!(self.log_level)),
            ("state_dir", path(&self.state_dir)),
            ("runtime_dir", path(&self.runtime_dir)),
        ];
        values.into_iter().map(|(key, value)| (key, value, self.source(key))).collect()
    }
}
