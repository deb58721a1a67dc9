//! Merges the sources of settings, and reports problems with each at its source.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::environment;
use super::exposure::PasswordSource;
use super::overrides::Caller;
use super::refusal::Refusal;
use super::unit;
use crate::config::files;
use crate::regular_file;
use crate::text::{Fields, Keys, Node, Problem, Report, Scalar, Severity, Span};

/// Every address is shorter.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// A setting's name in each source.
#[derive(Clone, Copy)]
pub(super) struct Names {
    pub(super) key: &'static str,
    pub(super) flag: &'static str,
    pub(super) env: &'static str,
}

/// Where a value was set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    Flag(&'static str),
    Env(&'static str),
    /// A credential that systemd passes to the service.
    Credential,
    File(Span),
}

impl Origin {
    /// The precedence; smaller wins.
    pub(super) fn rank(self) -> u8 {
        match self {
            Origin::Flag(_) => 0,
            Origin::Env(_) => 1,
            Origin::Credential => 2,
            Origin::File(_) => 3,
        }
    }
}

/// What set a setting, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingSource {
    /// `--grace`
    Flag(&'static str),
    /// `environment:DOWNBEAT_GRACE`
    Env(&'static str),
    /// A credential that systemd passes to the service.
    Credential,
    /// `FILE:LINE:COLUMN`
    File {
        /// The configuration file.
        path: String,
        /// From 1.
        line: u32,
        /// In characters, from 1.
        column: u32,
    },
}

impl fmt::Display for SettingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingSource::Flag(flag) => f.write_str(flag),
            SettingSource::Env(name) => write!(f, "environment:{name}"),
            SettingSource::Credential => f.write_str("credential"),
            SettingSource::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
        }
    }
}

/// A value as written, and where it was set.
pub(super) struct Given {
    pub(super) text: String,
    pub(super) place: Origin,
    /// The file that was read for it, if `place` only names that file.
    pub(super) file: Option<PathBuf>,
}

impl Given {
    pub(super) fn new(text: String, place: Origin) -> Given {
        Given { text, place, file: None }
    }
}

/// The sources of settings, and their problems.
pub(super) struct Sources<'e, 'n, 't> {
    pub(super) env: &'e dyn Fn(&str) -> Option<String>,
    fields: Option<Fields<'n, 't>>,
    base: PathBuf,
    report: Report<'t>,
    /// Problems of flags and environment.
    problems: Vec<Problem>,
    notes: Vec<(&'static str, SettingSource)>,
    pub(super) caller: Caller,
    /// Why the service's broker is unknown.
    pub(super) unknown_broker: Option<String>,
    holders: Vec<PasswordSource>,
}

impl<'e, 'n, 't> Sources<'e, 'n, 't> {
    pub(super) fn new(
        env: &'e dyn Fn(&str) -> Option<String>,
        fields: Option<Fields<'n, 't>>,
        base: &Path,
        report: Report<'t>,
        caller: Caller,
    ) -> Sources<'e, 'n, 't> {
        let (problems, notes) = (Vec::new(), Vec::new());
        Sources {
            env,
            fields,
            base: base.to_owned(),
            report,
            problems,
            notes,
            caller,
            unknown_broker: None,
            holders: Vec::new(),
        }
    }

    /// The problems or, if none is an error, warnings of passwords that others can read, too; and what
    /// set each setting.
    pub(super) fn finish(mut self) -> (Vec<Problem>, Vec<(&'static str, SettingSource)>) {
        self.problems.extend(self.report.finish());
        if self.problems.iter().any(|problem| problem.severity == Severity::Error) {
            return (self.problems, self.notes);
        }
        let credentials = (self.env)("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let warnings = self.holders.iter().filter_map(|it| it.warning(credentials.as_deref()));
        self.problems.extend(warnings);
        (self.problems, self.notes)
    }

    /// Notes that the value is or has a password.
    pub(super) fn note_secret(&mut self, given: &Given) {
        let holder = match (&given.file, given.place) {
            (Some(path), _) => PasswordSource::File(path.clone()),
            (None, Origin::Flag(flag)) => PasswordSource::Flag(flag),
            (None, Origin::File(_)) => PasswordSource::File(self.report.file().into()),
            (None, Origin::Env(_) | Origin::Credential) => return,
        };
        self.note_password_source(holder);
    }

    /// Notes that a file has a secret.
    pub(super) fn note_password_source(&mut self, holder: PasswordSource) {
        if !self.holders.contains(&holder) {
            self.holders.push(holder);
        }
    }

    /// A setting at the top level of the file.
    pub(super) fn setting(&mut self, names: Names, flag: Option<String>) -> Option<Given> {
        let node = self.fields.as_ref().and_then(|fields| fields.value(names.key));
        self.setting_at(names, flag, node)
    }

    /// The strongest source's value. The file's is checked for its type in any case.
    pub(super) fn setting_at(
        &mut self,
        names: Names,
        flag: Option<String>,
        node: Option<&'n Node<'t>>,
    ) -> Option<Given> {
        let in_file = node.and_then(|node| self.text_of(node));
        let flag = flag.map(|text| Given::new(text, Origin::Flag(names.flag)));
        let given = flag.or_else(|| self.read_variable(names.env)).or(in_file)?;
        self.note(names.key, &given.place);
        Some(given)
    }

    fn text_of(&mut self, node: &Node<'_>) -> Option<Given> {
        let text = node.as_written().filter(|_| node.scalar() != Some(Scalar::Null));
        if text.is_none_or(str::is_empty) {
            let message = format!("expected text, found {}", self.report.found(node));
            self.report.error(node.span, message);
            return None;
        }
        Some(Given::new(text?.to_owned(), Origin::File(node.span)))
    }

    /// A setting one level down: `leader: {ttl: …}`.
    pub(super) fn inner(
        &mut self,
        outer: &str,
        keys: &'static Keys,
        key: &str,
    ) -> Option<&'n Node<'t>> {
        let node = self.fields.as_ref()?.value(outer)?;
        keys.sort(node, &mut self.report)?.value(key)
    }

    /// A key that only the file has, and whose value is not a scalar.
    pub(super) fn node<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node<'_>, &mut Report<'_>) -> T,
    ) -> Option<T> {
        let node = self.fields.as_ref()?.value(key)?;
        Some(self.read(key, node, read))
    }

    /// The same for a key at another place in the file.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        node: &Node<'_>,
        read: impl FnOnce(&Node<'_>, &mut Report<'_>) -> T,
    ) -> T {
        self.note(key, &Origin::File(node.span));
        read(node, &mut self.report)
    }

    /// A list of paths in the file, or a single one.
    pub(super) fn paths(&mut self, key: &'static str) -> Option<Vec<PathBuf>> {
        let node = self.fields.as_ref()?.value(key)?;
        let items = node.list().unwrap_or(std::slice::from_ref(node));
        if items.is_empty() {
            self.report.error(node.span, format!("`{key}` is empty"));
            return None;
        }
        self.note(key, &Origin::File(node.span));
        let paths: Vec<_> = items.iter().filter_map(|item| self.text_of(item)).collect();
        let base = self.base.clone();
        Some(paths.iter().filter_map(|path| self.path(Some(path), &base)).collect())
    }

    /// A path; relative ones count from `base`. Refuses what is most likely not a path, such as an
    /// address or a key under the wrong name, as paths are shown to people.
    pub(super) fn path(&mut self, given: Option<&Given>, base: &Path) -> Option<PathBuf> {
        let path = self.check(given, |text| {
            let is_plain = text.starts_with('/') || text.starts_with("./");
            if text.contains("://") || (text.contains(':') && !is_plain) {
                let hint = "an address goes into `broker` or `state`; `./` before a path makes clear \
                            that it is one";
                return Err(Refusal::new("this looks like an address, not like a path", hint));
            }
            if text.contains(char::is_control) {
                return Err(Refusal::new("this is not a path", "name a file that holds the text"));
            }
            Ok(text.to_owned())
        })?;
        Some(base.join(path))
    }

    /// The value of a variable, which is noted as what set `key`.
    pub(super) fn variable(&mut self, key: &'static str, name: &'static str) -> Option<Given> {
        let given = self.read_variable(name)?;
        self.note(key, &given.place);
        Some(given)
    }

    /// The path of the credential `key`, if the service manager passes one in the directory that the
    /// variable `directory` names (systemd's `LoadCredential=`).
    pub(super) fn credential(
        &mut self,
        key: &'static str,
        directory: &'static str,
    ) -> Option<Given> {
        let Given { text, place, .. } = self.read_variable(directory)?;
        let folder = Path::new(&text);
        let path = folder.join(key);
        // In an unreadable directory it may exist: reading it reports what is wrong.
        let is_there = unit::may_exist(&path) || !unit::may_exist(folder);
        let text = is_there.then(|| path.display().to_string())?;
        self.note(key, &place);
        Some(Given::new(text, place))
    }

    fn read_variable(&self, name: &'static str) -> Option<Given> {
        debug_assert!(environment::is_setting(name), "`{name}` is read but not listed");
        let text = (self.env)(name).filter(|text| !text.is_empty())?;
        Some(Given::new(text, Origin::Env(name)))
    }

    /// The first line of a file that holds a secret.
    pub(super) fn content(&mut self, given: &Given) -> Option<Given> {
        let (place, base) = (given.place, self.base_of(given));
        let path = self.path(Some(given), &base)?;
        let read = regular_file::read(&path, MAX_SECRET_BYTES);
        let is_forbidden =
            matches!(&read, Err(error) if error.kind() == ErrorKind::PermissionDenied);
        if self.caller == Caller::Command && is_forbidden {
            let what = match place {
                Origin::Credential => path.display().to_string(),
                Origin::Flag(_) | Origin::Env(_) | Origin::File(_) => {
                    "the broker's file".to_owned()
                }
            };
            self.note_unknown_broker(format!(
                "this user cannot read {what}, which may name its broker: `sudo` can"
            ));
            return None;
        }
        let hint = "it should hold nothing but the address";
        let read = read.map_err(|error| files::refused(&path, &error, MAX_SECRET_BYTES, hint));
        match read.and_then(|bytes| files::text(&path, bytes)) {
            Ok(text) => match text.lines().next().map(str::trim).filter(|line| !line.is_empty()) {
                Some(line) => Some(Given { text: line.to_owned(), place, file: Some(path) }),
                None => {
                    let message = "the broker's file holds no address on its first line";
                    self.error(&place, message, "write `redis://…` into it");
                    None
                }
            },
            Err(problem) => {
                // The path itself may be an address or password under the wrong key.
                let message = format!("the broker's file {}", problem.message);
                self.error(&place, &message, problem.hint.as_deref().unwrap_or_default());
                None
            }
        }
    }

    /// Notes why the service's broker is unknown.
    pub(super) fn note_unknown_broker(&mut self, why: String) {
        self.unknown_broker = Some(why);
    }

    /// The directory that relative paths of a value count from.
    pub(super) fn base_of(&self, given: &Given) -> PathBuf {
        match given.place {
            Origin::File(_) => self.base.clone(),
            Origin::Flag(_) | Origin::Env(_) | Origin::Credential => PathBuf::new(),
        }
    }

    /// Parses a value, or reports what is wrong with it and what to write instead.
    pub(super) fn check<T>(
        &mut self,
        given: Option<&Given>,
        read: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        let Given { text, place, .. } = given?;
        match read(text) {
            Ok(value) => Some(value),
            Err(Refusal { message, hint }) => {
                self.error(place, &message, &hint);
                None
            }
        }
    }

    pub(super) fn error(&mut self, place: &Origin, message: &str, hint: &str) {
        let problem = match place {
            Origin::File(span) => self.report.error(*span, message),
            Origin::Flag(flag) => self.push(Problem::whole(*flag, message)),
            Origin::Env(name) => self.push(Problem::whole(format!("environment:{name}"), message)),
            Origin::Credential => self.push(Problem::whole("credential", message)),
        };
        if !hint.is_empty() {
            problem.hint(hint);
        }
    }

    fn push(&mut self, problem: Problem) -> &mut Problem {
        self.problems.push(problem);
        self.problems.last_mut().expect("one was just pushed")
    }

    /// Whether anything sets a key, validly or not.
    pub(super) fn is_noted(&self, key: &str) -> bool {
        self.notes.iter().any(|(noted, _)| *noted == key)
    }

    /// Notes what set a key, replacing any earlier note.
    pub(super) fn note(&mut self, key: &'static str, place: &Origin) {
        self.notes.retain(|(noted, _)| *noted != key);
        let source = match place {
            Origin::Flag(flag) => SettingSource::Flag(flag),
            Origin::Env(name) => SettingSource::Env(name),
            Origin::Credential => SettingSource::Credential,
            Origin::File(span) => {
                let (line, column) = self.report.position(*span);
                SettingSource::File { path: self.report.file().to_owned(), line, column }
            }
        };
        self.notes.push((key, source));
    }
}
