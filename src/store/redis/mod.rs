//! The Redis store: it keeps lease, journal and progress beside the workers' queues, so that one script can
//! check, push and record in one step.

mod batch;
mod channels;
mod connect;
mod counted;
mod failure;
mod first_format;
mod history;
mod inspect;
mod keys;
mod lease;
mod link;
mod listener;
mod look;
mod lua;
mod merge;
mod notify;
mod pauses;
mod peek;
mod reader;
mod reading;
mod reply;
mod requests;
mod results;
mod sentinel;
mod store;
mod writing;

pub use self::channels::Channels;
pub use self::look::Leader;
pub(crate) use self::reader::{Reader, Texts, WrongType};
pub use self::results::Results;
pub use self::store::RedisStore;
