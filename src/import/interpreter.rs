//! Runs a program that has another scheduler's code: a request in, one JSON document out.

use std::ffi::OsString;
use std::io::{self, Read, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ImportError;

/// Maximum bytes of an answer.
const MAX_ANSWER: u64 = 256 << 20;
/// Maximum bytes kept of what the program says on standard error.
const MAX_COMPLAINT: usize = 64 << 10;
/// Applications take their time to be imported, and rare schedules to be computed.
const TIMEOUT: Duration = Duration::from_secs(300);
const TOO_LONG: &str = "did not answer within 5 minutes; look whether it waits for something while it is imported, \
                        or compare fewer instants";
const TOO_MUCH: &str = "answered more than 256 MiB; compare fewer instants";
/// An import that waits for longer says what it waits for.
const SILENCE: Duration = Duration::from_secs(10);

/// A program and a script of ours for it.
#[derive(Clone, Debug)]
pub(crate) struct Interpreter {
    pub(crate) program: PathBuf,
    /// What comes before the script: `-c`.
    pub(crate) flag: &'static str,
    pub(crate) script: &'static str,
    /// The option that names another program: `--python PATH`.
    pub(crate) option: &'static str,
}

impl Interpreter {
    /// Python: the named one, else that of the active virtual environment, else `python3`.
    pub(crate) fn python(named: Option<PathBuf>, script: &'static str) -> Interpreter {
        let active =
            || std::env::var_os("VIRTUAL_ENV").map(|path| PathBuf::from(path).join("bin/python"));
        let program = named.or_else(active).unwrap_or_else(|| "python3".into());
        Interpreter { program, flag: "-c", script, option: "--python PATH" }
    }

    /// Runs the script with this request on its standard input, and returns what it wrote.
    ///
    /// # Errors
    ///
    /// If the program cannot be run, fails, takes too long, or writes something else or too much.
    pub(crate) fn ask<T: DeserializeOwned>(&self, request: &Value) -> Result<T, ImportError> {
        let fail =
            |why: String| ImportError::Interpreter(format!("{}: {why}", self.program.display()));
        let arguments: [OsString; 2] = [self.flag.into(), self.script.into()];
        let mut child = Command::new(&self.program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                fail(format!("cannot be run: {error}; name another with {}", self.option))
            })?;
        let say_wait = || {
            let waited_for = self.program.display();
            let _ = writeln!(
                io::stderr(),
                "waiting for {waited_for}, for {} minutes at most…",
                TIMEOUT.as_secs() / 60
            );
        };
        let spoken = converse(&mut child, request.to_string(), say_wait);
        let status = child.wait().map_err(|error| fail(error.to_string()))?;
        let Spoken { answer, complaint } = spoken.map_err(|error| fail(error.to_string()))?;
        if !status.success() {
            let last = complaint.trim_end().lines().next_back().unwrap_or("it said nothing");
            return Err(fail(format!("{status}: {last}")));
        }
        if answer.is_empty() {
            let why = "it ended without an answer; is it the right program?";
            return Err(fail(format!("{why} Name another with {}", self.option)));
        }
        serde_json::from_slice(&answer)
            .map_err(|error| fail(format!("its answer is not as expected: {error}")))
    }
}

struct Spoken {
    answer: Vec<u8>,
    complaint: String,
}

/// Writes the request and reads both outputs until they end. Kills the child if it takes too long or writes too
/// much.
fn converse(child: &mut Child, request: String, say_wait: impl FnOnce()) -> io::Result<Spoken> {
    let (Some(mut input), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let (finished, answer) = mpsc::channel();
    // Ends with the child, which reads it all or is gone.
    thread::spawn(move || input.write_all(request.as_bytes()));
    thread::spawn(move || {
        let mut answer = Vec::new();
        let read = output.take(MAX_ANSWER + 1).read_to_end(&mut answer);
        let _ = finished.send(read.map(|_| answer));
    });
    let complaint = thread::spawn(move || end_of(errors));
    let answer = answer.recv_timeout(SILENCE).or_else(|_| {
        say_wait();
        answer.recv_timeout(TIMEOUT.saturating_sub(SILENCE))
    });
    let answer = match answer.unwrap_or_else(|_| Err(io::Error::other(TOO_LONG))) {
        Ok(answer) if answer.len() as u64 > MAX_ANSWER => Err(io::Error::other(TOO_MUCH)),
        other => other,
    };
    if answer.is_err() {
        child.kill()?;
    }
    let complaint = complaint.join().unwrap_or_default();
    Ok(Spoken { answer: answer?, complaint })
}

/// The end of a text says what failed; an application may write much before it.
fn end_of(mut text: impl Read) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0; 8192]);
    while let Ok(read @ 1..) = text.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..read]);
        kept.drain(..kept.len().saturating_sub(MAX_COMPLAINT));
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shell(script: &'static str) -> Interpreter {
        Interpreter { program: "sh".into(), flag: "-c", script, option: "--shell PATH" }
    }

    #[test]
    fn a_script_answers_a_request() {
        let answer: Value = shell("cat; echo noise >&2").ask(&json!({"a": [1]})).unwrap();
        assert_eq!(answer, json!({"a": [1]}));
    }

    #[test]
    fn a_failure_says_which_program_and_what_it_said_last() {
        let failed =
            shell("echo first >&2; echo 'No module named x' >&2; exit 3").ask::<Value>(&json!(1));
        assert_eq!(failed.unwrap_err().to_string(), "sh: exit status: 3: No module named x");
        let missing = Interpreter { program: "/nowhere/python".into(), ..shell("") };
        let missing = missing.ask::<Value>(&json!(1)).unwrap_err().to_string();
        assert!(missing.ends_with("; name another with --shell PATH"), "{missing}");
        let nothing = shell("exit 0").ask::<Value>(&json!(1)).unwrap_err().to_string();
        assert!(nothing.contains("ended without an answer"), "{nothing}");
        let odd = shell("echo hello").ask::<Value>(&json!(1)).unwrap_err().to_string();
        assert!(odd.contains("its answer is not as expected"), "{odd}");
    }
}
