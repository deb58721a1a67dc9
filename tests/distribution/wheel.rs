//! The wheel, installed by pip beside Celery.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::Instant;

use super::ran;
use crate::readme::{block, command, section};
use crate::support::downbeat::Finished;
use crate::support::process::Process;
use crate::support::redis::{Options, RedisServer};
use crate::support::tools::{needs, python, release_file, tests_folder};
use crate::support::wait::{SOON, START, eventually};

pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Ten of its slots are awaited, each of which a task prints.
const TICKING: &str = "entries:\n  tick: {task: hello.greet, every: 1s, args: [\"{{ slot }}\"]}\n";

pub(super) fn wheel() -> PathBuf {
    release_file(".whl").unwrap()
}

/// A virtual environment in a folder whose name has a blank.
struct Environment {
    folder: TempDir,
}

impl Environment {
    fn new(options: &[&str]) -> Environment {
        let folder = tempfile::Builder::new().prefix("fresh environment").tempdir().unwrap();
        ran(Command::new(python())
            .args(["-m", "venv"])
            .args(options)
            .arg(folder.path().join("venv")));
        Environment { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A program of the environment, by what an activated environment finds first.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.path().join("venv/bin").join(name));
        command.current_dir(self.path()).stdin(Stdio::null());
        command.env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        // Those of the tests are no settings.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DOWNBEAT_")) {
            command.env_remove(name);
        }
        command
    }

    fn pip(&self, args: &[&str]) -> Finished {
        ran(self.program("pip").arg("--quiet").args(args))
    }

    /// Starts a program that writes to `NAME.log`.
    fn start(&self, program: &str, args: &[&str]) -> Process {
        let log = File::create(self.path().join(format!("{program}.log"))).unwrap();
        let mut command = self.program(program);
        command.args(args).stdout(log.try_clone().unwrap()).stderr(log);
        for (variable, folder) in [("RUNTIME_DIRECTORY", "run"), ("STATE_DIRECTORY", "state")] {
            command.env(variable, self.path().join(folder));
        }
        Process::spawn(program, &mut command)
    }

    fn log(&self, program: &str) -> String {
        fs::read_to_string(self.path().join(format!("{program}.log"))).unwrap_or_default()
    }

    /// Waits until `look` finds what it wants in the worker's log; panics with the logs if it does not.
    fn wait<T>(&self, what: &str, look: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + START;
        eventually(2 * START, what, || {
            let found = look(&self.log("celery"));
            if found.is_none() && Instant::now() > deadline {
                let logs = ["celery", "downbeat", "python"].map(|program| self.log(program));
                panic!("{what} was not reached:\n{}", logs.join("\n"));
            }
            found
        })
    }

    /// Every file of the environment, apart from what Python compiles when it likes.
    fn files(&self) -> BTreeSet<PathBuf> {
        let find =
            ran(Command::new("find").arg(self.path().join("venv")).args(["-not", "-type", "d"]));
        let files = find.stdout.lines().filter(|file| !file.ends_with(".pyc"));
        files.map(PathBuf::from).collect()
    }
}

/// `celery[redis]` in the version of the other tests.
fn celery() -> String {
    let requirements = fs::read_to_string(tests_folder().join("requirements.txt")).unwrap();
    requirements.lines().find(|line| line.starts_with("celery[")).unwrap().to_owned()
}

#[test]
fn from_a_fresh_environment_to_ten_tasks_done_by_its_own_worker_and_back() {
    needs!(Redis, Python, Wheel);
    let server = RedisServer::start_with(Options { tcp: true, ..Options::default() });
    let here = |text: &str| text.replace("redis://127.0.0.1:6379/0", &server.tcp_url());
    let (steps, tell) = (section("First steps"), section("With Redis and a Celery worker"));
    let began = Instant::now();

    let environment = Environment::new(&[]);
    environment.pip(&["install", &celery()]);
    let before = environment.files();
    let with_celery = began.elapsed();
    environment.pip(&["install", "--no-index", wheel().to_str().unwrap()]);
    let installed = began.elapsed();
    fs::write(environment.path().join("hello.yaml"), block(&steps, "yaml")).unwrap();
    fs::write(environment.path().join("hello.py"), here(&block(&tell, "python"))).unwrap();
    let celery = command(&tell, "celery ");
    let mut worker = environment.start("celery", &celery[1..]);
    let run: Vec<String> = command(&tell, "downbeat run").into_iter().map(here).collect();
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    let mut downbeat = environment.start("downbeat", &run[1..]);
    environment.wait("the first task", |log| log.contains("hello world").then_some(()));
    println!(
        "first task {:.1} s after an empty folder, of which {:.1} s for Celery, {:.1} s for the wheel",
        began.elapsed().as_secs_f64(),
        with_celery.as_secs_f64(),
        (installed - with_celery).as_secs_f64(),
    );
    downbeat.terminate();
    assert_eq!(downbeat.wait(SOON).code(), Some(0), "{}", environment.log("downbeat"));

    // The module becomes the program, so that signals reach it.
    fs::write(environment.path().join("ticks.yaml"), TICKING).unwrap();
    let broker = server.tcp_url();
    let module = ["-m", "downbeat", "run", "--schedules", "ticks.yaml", "--broker", &broker];
    let mut module = environment.start("python", &module);
    let ticks = |log: &str| -> Vec<String> {
        let ticks = log.lines().filter_map(|line| Some(line.split_once("hello 2")?.1.to_owned()));
        ticks.collect()
    };
    let done =
        environment.wait("ten tasks", |log| Some(ticks(log)).filter(|ticks| ticks.len() >= 10));
    assert_eq!(done.iter().collect::<BTreeSet<_>>().len(), done.len(), "{done:?}");
    let program = fs::read_link(format!("/proc/{}/exe", module.id())).unwrap();
    assert_eq!(program, environment.path().canonicalize().unwrap().join("venv/bin/downbeat"));
    module.signal(Signal::TERM);
    assert_eq!(module.wait(SOON).code(), Some(0), "{}", environment.log("python"));
    worker.terminate();
    worker.wait(SOON);

    let said = ran(environment
        .program("python")
        .args(["-c", "import downbeat; print(downbeat.__version__)"]));
    assert_eq!(said.stdout.trim(), VERSION);
    environment.pip(&["uninstall", "--yes", "downbeat"]);
    assert_eq!(environment.files(), before);
    let left = ran(Command::new("find")
        .arg(environment.path().join("venv"))
        .args(["-name", "*downbeat*"]));
    assert_eq!(left.stdout, "");
}

#[test]
fn the_module_finds_the_program_wherever_pip_has_put_it() {
    needs!(Python, Wheel);
    let environment = Environment::new(&["--system-site-packages"]);
    let wheel = wheel();
    let install = |options: &[&str]| {
        let mut args = vec!["install", "--no-index", "--no-deps", "--ignore-installed"];
        args.extend(options);
        args.push(wheel.to_str().unwrap());
        let base = environment.path().join("user base");
        ran(environment.program("pip").arg("--quiet").args(args).env("PYTHONUSERBASE", base));
    };
    let run = |variable: &str, value: &Path| {
        let mut command = environment.program("python");
        command.args(["-m", "downbeat", "--version"]).env(variable, value);
        Finished::from(command.output().unwrap())
    };
    let version = format!("downbeat {VERSION}\n");
    let target = environment.path().join("a target");
    install(&["--target", target.to_str().unwrap()]);
    assert_eq!(run("PYTHONPATH", &target).ok(), version);

    let prefix = environment.path().join("a prefix");
    install(&["--prefix", prefix.to_str().unwrap()]);
    let packages = fs::read_dir(prefix.join("lib")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(run("PYTHONPATH", &packages.join("site-packages")).ok(), version);

    let base = environment.path().join("user base");
    install(&["--user"]);
    assert_eq!(run("PYTHONUSERBASE", &base).ok(), version);

    // Without the program, or with one that is none.
    let program = base.join("bin/downbeat");
    fs::write(&program, "").unwrap();
    let said = run("PYTHONUSERBASE", &base).refused(1);
    assert!(said.contains("user base/bin/downbeat cannot be run: Exec format error"), "{said}");
    fs::remove_file(&program).unwrap();
    let said = run("PYTHONUSERBASE", &base).refused(1);
    for part in
        ["the program is missing", "user base/bin/downbeat", "pip install --force-reinstall"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}
