//! Reads the messages waiting in a queue without moving them.

use redis::{Cmd, FromRedisValue, Value};

use super::lua;
use crate::store::{Found, Group, Peeked};
use crate::worker::{Bodies, Location, MAX_PEEK_BYTES, Next};

/// The call of the script.
pub(super) fn call(locations: &[Location], count: usize) -> Cmd {
    let keys: Vec<_> = locations.iter().map(|location| location.key.clone()).collect();
    let mut call = lua::call(&lua::PEEK, &keys);
    call.arg(count).arg(MAX_PEEK_BYTES);
    for Location { next, bodies, .. } in locations {
        call.arg(match next {
            Next::Left => "left",
            Next::Right => "right",
            Next::Lowest => "lowest",
            Next::Oldest => "oldest",
        });
        match bodies {
            None => call.arg("").arg("").arg(0),
            Some(Bodies::Hash { prefix, fields }) => {
                call.arg("hash").arg(prefix).arg(fields.len()).arg(*fields)
            }
            Some(Bodies::Text { prefix }) => call.arg("text").arg(prefix).arg(0),
            Some(Bodies::Field { key }) => call.arg("field").arg(key).arg(0),
        };
    }
    call
}

/// Reads the script's answer.
pub(super) fn read(answer: Value) -> Option<Peeked> {
    let Value::Array(answer) = answer else { return None };
    let mut answer = answer.into_iter();
    let first = answer.next()?;
    if let Some("wrong") = text(&first).as_deref() {
        let (key, found) = (text(&answer.next()?)?, text(&answer.next()?)?);
        return Some(Peeked::Unexpected { key, found });
    }
    let total = u64::from_redis_value(first).ok()?;
    let Value::Array(groups) = answer.next()? else { return None };
    let group = |group: Value| {
        let (name, lag, pending) = redis::from_redis_value(group).ok()?;
        Some(Group { name, lag, pending })
    };
    let groups: Option<Vec<_>> = groups.into_iter().map(group).collect();
    let found: Option<Vec<_>> = answer.map(found).collect();
    Some(Peeked::Messages { total, groups: groups?, found: found? })
}

fn found(message: Value) -> Option<Found> {
    let Value::Array(parts) = message else { return None };
    let mut parts = parts.into_iter();
    let place = usize::from_redis_value(parts.next()?).ok()?.checked_sub(1)?;
    Some(match parts.next()? {
        Value::Int(bytes) => Found::TooLarge { place, bytes: u64::try_from(bytes).ok()? },
        element => Found::Whole {
            place,
            element: redis::from_redis_value(element).ok()?,
            stored: parts.map(|part| redis::from_redis_value(part).ok()).collect::<Option<_>>()?,
        },
    })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Int(_) => None,
        value => redis::from_redis_value_ref(value).ok(),
    }
}
