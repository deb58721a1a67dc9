//! Programs that are not built here: `tests/run` installs them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

/// A program that a test requires.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tool {
    /// `redis-server` on the search path.
    Redis,
    /// `tests/.venv` with Celery and everything else in `tests/requirements.txt`.
    Python,
    /// `tests/requirements-apart.txt`, each line in a folder of its own.
    Apart,
    /// systemd, though not as process 1, and what is needed to boot it in a separate machine.
    Systemd,
    /// What Debian's init scripts require.
    InitScripts,
    /// RabbitMQ, unpacked into `tests/.tools/rabbitmq`.
    RabbitMq,
    /// `sidekiq` on the search path.
    Sidekiq,
    /// Node.js, and all of `tests/requirements-node.txt` in `tests/.tools`.
    Bullmq,
    /// Prometheus' `promtool`, on the search path or in `tests/.tools`.
    Promtool,
    /// `kubectl`, unpacked into `tests/.tools`.
    Kubectl,
    /// What builds and installs Debian packages: `cargo-deb` in `tests/.tools`, and dpkg.
    Packages,
    /// What builds and installs RPM packages.
    Rpm,
    /// What builds images of containers.
    Buildah,
    /// The wheel and the source distribution that `tests/run` builds.
    Wheel,
    /// Debian's package checker.
    Lintian,
    /// The shell script checker.
    Shellcheck,
    /// Debian's packages `logrotate` and `libpopt0`, unpacked.
    Logrotate,
    /// `man` and its formatter.
    Man,
    /// The shell.
    Zsh,
    /// Debian's package `supervisor`, unpacked.
    Supervisor,
}

impl Tool {
    fn is_there(self) -> bool {
        static REDIS: LazyLock<bool> =
            LazyLock::new(|| runs(Command::new("redis-server").arg("--version")));
        static PYTHON: LazyLock<bool> =
            LazyLock::new(|| are_installed("requirements.txt", ".venv/requirements.txt"));
        static APART: LazyLock<bool> = LazyLock::new(|| {
            are_installed("requirements-apart.txt", ".tools/apart/requirements.txt")
        });
        static SIDEKIQ: LazyLock<bool> =
            LazyLock::new(|| runs(Command::new("sidekiq").arg("--version")));
        static BULLMQ: LazyLock<bool> = LazyLock::new(|| {
            are_installed("requirements-node.txt", ".tools/requirements-node.txt")
                && runs(Command::new("node").arg("--version"))
        });
        static PROMTOOL: LazyLock<bool> =
            LazyLock::new(|| runs(Command::new(promtool()).arg("--version")));
        let are_there = |paths: &[&str]| paths.iter().all(|path| Path::new(path).exists());
        match self {
            Tool::Redis => *REDIS,
            Tool::Python => *PYTHON,
            Tool::Apart => *APART,
            Tool::Systemd => are_there(&["/lib/systemd/systemd", "/sbin/ip"]),
            Tool::InitScripts => are_there(&["/lib/lsb/init-functions", "/sbin/ip"]),
            Tool::RabbitMq => rabbitmq().join("usr/lib/erlang/bin/erl").exists(),
            Tool::Sidekiq => *SIDEKIQ,
            Tool::Bullmq => *BULLMQ,
            Tool::Promtool => *PROMTOOL,
            Tool::Packages => {
                cargo_deb().exists() && are_there(&["/usr/bin/dpkg-shlibdeps", "/usr/sbin/adduser"])
            }
            Tool::Kubectl => kubectl().exists(),
            Tool::Rpm => are_there(&["/usr/bin/rpm", "/usr/bin/rpmbuild"]),
            Tool::Buildah => are_there(&["/usr/bin/buildah"]),
            Tool::Wheel => release_file(".whl").is_some(),
            Tool::Lintian => are_there(&["/usr/bin/lintian"]),
            Tool::Shellcheck => are_there(&["/usr/bin/shellcheck"]),
            Tool::Logrotate => logrotate().join("usr/sbin/logrotate").exists(),
            Tool::Man => are_there(&["/usr/bin/man", "/usr/bin/groff"]),
            Tool::Zsh => are_there(&["/usr/bin/zsh"]),
            Tool::Supervisor => supervisor().join("usr/bin/supervisord").exists(),
        }
    }
}

/// Ends the test early if a tool is missing and the run permits that.
macro_rules! needs {
    ($($tool:ident),+) => {
        if !$crate::support::tools::all_there(&[$($crate::support::tools::Tool::$tool),+]) {
            return;
        }
    };
}
pub(crate) use needs;

/// Whether the test can continue. `false` only if `DOWNBEAT_TESTS_SKIP_MISSING` is 1 or names the tool.
///
/// Panics if a tool is missing otherwise: a test that did not run must not look like a pass.
pub(crate) fn all_there(tools: &[Tool]) -> bool {
    let Some(missing) = tools.iter().find(|tool| !tool.is_there()) else { return true };
    let may_skip = std::env::var("DOWNBEAT_TESTS_SKIP_MISSING").is_ok_and(|value| {
        value == "1" || value.split(' ').any(|name| name == format!("{missing:?}"))
    });
    assert!(may_skip, "{missing:?} is missing: run tests/run, which installs it");
    eprintln!("skipped: {missing:?} is missing (tests/run installs it)");
    false
}

/// The interpreter of the virtual environment that `tests/run` creates.
pub(crate) fn python() -> PathBuf {
    tests_folder().join(".venv/bin/python")
}

/// The interpreter with a package of `tests/requirements-apart.txt`, named as there, and what it needs: before
/// those of the virtual environment.
pub(crate) fn apart(package: &str) -> Command {
    let mut command = Command::new(python());
    command.env("PYTHONPATH", tests_folder().join(".tools/apart").join(package));
    command
}

/// The directory into which `tests/run` unpacks RabbitMQ and Erlang.
pub(crate) fn rabbitmq() -> PathBuf {
    tests_folder().join(".tools/rabbitmq")
}

/// The directory of Node.js packages that `tests/run` installs.
pub(crate) fn node_modules() -> PathBuf {
    tests_folder().join(".tools/node_modules")
}

/// `promtool`: the one that `tests/run` unpacked, else the one on the search path.
pub(crate) fn promtool() -> PathBuf {
    let unpacked = tests_folder().join(".tools/usr/bin/promtool");
    if unpacked.exists() { unpacked } else { "promtool".into() }
}

/// `cargo deb`, which `tests/run` compiles.
pub(crate) fn cargo_deb() -> PathBuf {
    tests_folder().join(".tools/bin/cargo-deb")
}

/// `kubectl`, which `tests/run` unpacks.
pub(crate) fn kubectl() -> PathBuf {
    tests_folder().join(".tools/usr/bin/kubectl")
}

/// The folder of a release under test, where `.ci/release` names one.
pub(crate) fn release_folder() -> Option<PathBuf> {
    std::env::var_os("DOWNBEAT_RELEASE_FILES").map(PathBuf::from)
}

/// A file of the release under test, or else of what `tests/run` has built, by the end of its name.
pub(crate) fn release_file(end: &str) -> Option<PathBuf> {
    let built = || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("wheel");
    let folder = release_folder().unwrap_or_else(built);
    let mut files = std::fs::read_dir(folder).ok()?.map(|file| file.unwrap().path());
    files.find(|path| path.to_str().is_some_and(|path| path.ends_with(end)))
}

/// The tree of Debian's package `supervisor` and its dependencies besides Python.
pub(crate) fn supervisor() -> PathBuf {
    tests_folder().join(".tools/supervisor")
}

/// The trees of Debian's packages `logrotate` and `libpopt0`.
pub(crate) fn logrotate() -> PathBuf {
    tests_folder().join(".tools/logrotate")
}

/// What a Python script writes, one JSON value per line, for these lines of JSON.
pub(crate) fn answers(script: &str, questions: &[Value]) -> Vec<Value> {
    let mut command = Command::new(python());
    command.args(["-c", script]).env("PYTHONIOENCODING", "utf-8");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines: String = questions.iter().map(|question| format!("{question}\n")).collect();
    // On a separate thread: neither side may wait for the other's full pipe.
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> =
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), questions.len(), "the script stopped early");
    answers
}

/// The directory of the integration tests.
pub(crate) fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Whether the copy of the requirements shows that all of them are installed.
fn are_installed(requirements: &str, copy: &str) -> bool {
    let wanted = std::fs::read(tests_folder().join(requirements));
    let installed = std::fs::read(tests_folder().join(copy));
    wanted.is_ok_and(|wanted| installed.is_ok_and(|installed| wanted == installed))
}

fn runs(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
