//! `pause` and `resume`.

use std::sync::Mutex;
use std::time::Duration;

use super::direct::{Direct, Store};
use super::{
    Exit, Failure, ask_identified, block_on, caller, configuration, load, load_schedule, show,
};
use crate::cli::{self, ServiceFlags};
use crate::config::{Caller, Identity, ServiceConfig};
use crate::control::Command;
use crate::manual::Refused;
use crate::pausing::{self, PauseStatus, Request, Response, SubjectAnswer, in_words};
use crate::schedule::Schedule;
use crate::store::contract;

/// Carriers may take a while to report the outcome of messages.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How many entries with a message still on its way are named.
const MAX_NAMED: usize = 10;

pub(super) fn pause(flags: ServiceFlags, asked: cli::Pause) -> Result<Exit, Failure> {
    let cli::Pause { entries, tag: tags, all, note, until, output } = asked;
    let by = Some(caller());
    carry_out(flags, Request { resume: false, entries, tags, all, note, until, by }, output.json)
}

pub(super) fn resume(flags: ServiceFlags, asked: cli::Resume) -> Result<Exit, Failure> {
    let cli::Resume { entries, tag: tags, all, output } = asked;
    let (resume, by) = (true, Some(caller()));
    carry_out(flags, Request { resume, entries, tags, all, by, ..Request::default() }, output.json)
}

fn carry_out(flags: ServiceFlags, asked: Request, json: bool) -> Result<Exit, Failure> {
    let service = configuration(flags, Caller::Command, Exit::Usage)?;
    let command = Command::Pause(Box::new(asked.clone()));
    let asking = ask_identified::<Response, Refused>(&service, &command, TIMEOUT);
    let (identity, answered) = match block_on(asking)? {
        Ok(Some((identity, answered))) => (identity, answered?),
        Ok(None) => (service.identity(), change(&service, &asked)?),
        Err(failure) if failure.may_be_done => {
            let verb = if asked.resume { "resumed" } else { "paused" };
            let message =
                format!("possibly {verb}: {}; repeat the command to be sure", failure.message);
            return Err(Failure { message, ..failure });
        }
        Err(failure) => return Err(failure),
    };
    if json {
        show::json(&answered)?;
    } else {
        print(&answered, asked.resume, &scope(&identity))?;
    }
    Ok(Exit::Fine)
}

/// Whose entries all entries are.
fn scope(Identity { broker, state, namespace }: &Identity) -> String {
    let broker = state.as_ref().or(broker.as_ref());
    let on = broker.map_or_else(String::new, |broker| format!(" on {broker}"));
    format!("of namespace `{namespace}`{on}")
}

/// Writes to the store directly, without a running service.
fn change(service: &ServiceConfig, asked: &Request) -> Result<Response, Failure> {
    // Whatever is paused can be resumed, in the schedule or not.
    let schedule = match load(service).schedule {
        Some(schedule) => schedule,
        None if asked.resume => Schedule::default(),
        None => load_schedule(service)?,
    };
    let store = Direct::open(service)?.store;
    let changed = block_on(async {
        match store {
            Store::Redis(redis) => change_in(*redis, &schedule, asked).await,
            Store::Spool(mut spool) => match spool.open(&service.namespace) {
                Ok(store) => change_in(store.clone(), &schedule, asked).await,
                Err(error) => Err(Refused::ChangeUnreachable(error.to_string())),
            },
            Store::Nowhere => Err(Refused::ChangeUnreachable("no broker is configured".to_owned())),
        }
    })?;
    Ok(changed?)
}

async fn change_in<S: contract::Store>(
    store: S,
    schedule: &Schedule,
    asked: &Request,
) -> Result<Response, Refused> {
    let store = Mutex::new(store);
    let done = pausing::change(&store, schedule, std::slice::from_ref(asked)).await;
    let nothing = || Err(Refused::NotChanged("nothing was requested".to_owned()));
    let mut answered = done.into_iter().next().unwrap_or_else(nothing)?;
    answered.may_still_go = pausing::wait_for_carriers(&store, schedule, asked, &answered).await;
    Ok(answered)
}

fn print(answered: &Response, resumed: bool, scope: &str) -> Result<(), Failure> {
    for subject in &answered.subjects {
        let name = Name::of(&subject.subject, scope);
        show::line(&if resumed {
            after_resuming(&name, subject)
        } else {
            after_pausing(&name, subject)
        })?;
    }
    for pause in &answered.still_paused {
        show::line(&format!("still paused: {} {}", in_words(&pause.subject), pause.in_words()))?;
    }
    let more = answered.still_paused_count.saturating_sub(answered.still_paused.len());
    if more > 0 {
        show::line(&format!("still paused: {more} more"))?;
    }
    match answered.may_still_go.as_slice() {
        [] => {}
        names => {
            let named = names.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", ");
            let more = if names.len() > MAX_NAMED { ", …" } else { "" };
            show::line(&format!(
                "{} may still be sent, neither confirmed nor refused by the carrier: {named}{more}",
                show::number(names.len(), "message")
            ))?;
        }
    }
    if answered.replicated == Some(false) {
        show::line("not replicated yet: if the Redis server fails now, this may be lost")?;
    }
    Ok(())
}

/// What is paused or resumed, in words, and the verb that goes with it.
struct Name {
    name: String,
    is: &'static str,
}

impl Name {
    fn of(subject: &str, scope: &str) -> Name {
        let name = in_words(subject);
        match subject {
            "all" => Name { name: format!("{name} {scope}"), is: "are" },
            _ => Name { name, is: "is" },
        }
    }
}

fn after_pausing(Name { name, is }: &Name, answer: &SubjectAnswer) -> String {
    let now = answer.paused.as_ref().map(PauseStatus::in_words).unwrap_or_default();
    match &answer.before {
        _ if !answer.changed => format!("{name} {is} already paused {now}"),
        Some(before) => format!("paused {name} {now} (before: {})", before.in_words()),
        None => format!("paused {name} {now}"),
    }
}

fn after_resuming(Name { name, is }: &Name, answer: &SubjectAnswer) -> String {
    match &answer.before {
        _ if !answer.changed && answer.subject == "all" => {
            "nothing to resume: `pause --all` is not in effect".to_owned()
        }
        _ if !answer.changed => format!("{name} {is} not paused"),
        Some(before) => format!("resumed {name} (paused since {}{})", before.from, by(before)),
        None => format!("resumed {name}"),
    }
}

/// Who paused, and why.
fn by(pause: &PauseStatus) -> String {
    let by = pause.by.iter().map(|by| format!(" by {by}"));
    by.chain(pause.note.iter().map(|note| format!(": {note}"))).collect()
}
