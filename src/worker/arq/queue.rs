//! How the workers of an arq queue are configured.

/// The settings of a queue of arq workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArqQueue {
    /// The workers' `job_serializer`, and its `job_deserializer`.
    pub serializer: ArqSerializer,
}

/// How a job becomes bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ArqSerializer {
    /// Python's own pickles: arq's default.
    #[default]
    Pickle,
    /// JSON: `json.dumps` and `json.loads`.
    Json,
    /// MessagePack: `msgpack.packb` and `msgpack.unpackb`.
    Msgpack,
}

impl ArqSerializer {
    /// Every serializer.
    pub const ALL: [ArqSerializer; 3] =
        [ArqSerializer::Pickle, ArqSerializer::Json, ArqSerializer::Msgpack];

    /// The word for it in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ArqSerializer::Pickle => "pickle",
            ArqSerializer::Json => "json",
            ArqSerializer::Msgpack => "msgpack",
        }
    }
}
