//! Brokers that take messages and keep no records. Beside them a [`store`](crate::store) holds lease and
//! journal.

pub mod amqp;
