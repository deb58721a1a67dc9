//! `pause` and `resume`.

use std::sync::Mutex;
use std::time::Duration;

use super::direct::{Direct, Store};
use super::{Exit, Failure, ask_service, block_on, caller, configuration, load_schedule, show};
use crate::cli::{self, ServiceFlags};
use crate::config::{Caller, ServiceConfig};
use crate::control::Command;
use crate::manual::Refused;
use crate::pausing::{self, Request, Response, SubjectAnswer, in_words};
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
    let answered = match ask_service::<Response, Refused>(&service, &command, TIMEOUT) {
        Ok(Some(answered)) => answered?,
        Ok(None) => change(&service, &asked)?,
        Err(failure) if failure.may_be_done => {
            let message = format!("it may be done: {}; do it again to be sure", failure.message);
            return Err(Failure { message, ..failure });
        }
        Err(failure) => return Err(failure),
    };
    if json {
        show::json(&answered)?;
    } else {
        print(&answered, asked.resume)?;
    }
    Ok(Exit::Fine)
}

/// Writes to the store directly, without a running service.
fn change(service: &ServiceConfig, asked: &Request) -> Result<Response, Failure> {
    let schedule = load_schedule(service)?;
    let store = Direct::open(service)?.store;
    let changed = block_on(async {
        match store {
            Store::Redis(redis) => change_in(*redis, &schedule, asked).await,
            Store::Spool(mut spool) => match spool.open(&service.namespace) {
                Ok(store) => change_in(store.clone(), &schedule, asked).await,
                Err(error) => Err(Refused::ChangeUnreachable(error.to_string())),
            },
            Store::Nowhere => Err(Refused::ChangeUnreachable("no broker is named".to_owned())),
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
    let nothing = || Err(Refused::NotChanged("nothing was asked for".to_owned()));
    let mut answered = done.into_iter().next().unwrap_or_else(nothing)?;
    answered.may_still_go = pausing::wait_for_carriers(&store, schedule, asked, &answered).await;
    Ok(answered)
}

fn print(answered: &Response, resumed: bool) -> Result<(), Failure> {
    for subject in &answered.subjects {
        show::line(&if resumed { after_resuming(subject) } else { after_pausing(subject) })?;
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
                "{} may still go: their carrier has not said whether it took them ({named}{more})",
                match names.len() {
                    1 => "1 message".to_owned(),
                    count => format!("{count} messages"),
                }
            ))?;
        }
    }
    if answered.replicated == Some(false) {
        show::line("not replicated: if the Redis server fails now, this may be forgotten")?;
    }
    Ok(())
}

fn after_pausing(SubjectAnswer { subject, changed, before, paused }: &SubjectAnswer) -> String {
    let name = in_words(subject);
    let now = paused.as_ref().map(pausing::PauseStatus::in_words).unwrap_or_default();
    match before {
        _ if !changed => format!("{name} is paused already, {now}"),
        Some(before) => format!("paused {name} {now} (before: {})", before.in_words()),
        None => format!("paused {name} {now}"),
    }
}

fn after_resuming(SubjectAnswer { subject, changed, before, .. }: &SubjectAnswer) -> String {
    let name = in_words(subject);
    match before {
        _ if !changed => format!("{name} is not paused"),
        Some(before) => format!("resumed {name} (was paused {})", before.in_words()),
        None => format!("resumed {name}"),
    }
}
