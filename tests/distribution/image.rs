//! The image of `.ci/image`, unpacked and run by a container of our own.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use super::{ran, scratch, strip_to};
use crate::containers::{TICKING, list, redis};
use crate::support::container::{Container, NOBODY};
use crate::support::downbeat::Place;
use crate::support::http::{address, get};
use crate::support::tools::{needs, python, release_file, release_folder, tests_folder};

/// The archive of the release, or one with the binary under test; `folder` is empty.
fn archive(folder: &Path) -> PathBuf {
    if release_folder().is_some() {
        return release_file(".oci.tar").unwrap();
    }
    let (program, archive) = (folder.join("downbeat"), folder.join("downbeat.oci.tar"));
    strip_to(&program);
    let (wheel, content) = (release_file(".whl").unwrap(), folder.join("wheel"));
    ran(Command::new(python()).args(["-m", "zipfile", "--extract"]).args([&wheel, &content]));
    let about = format!("downbeat-{}.dist-info", env!("CARGO_PKG_VERSION"));
    let sbom = content.join(about).join("sboms/downbeat.cyclonedx.json");
    let mut build = Command::new(tests_folder().join("../.ci/image"));
    ran(build.arg(program).arg(sbom).arg(&archive));
    archive
}

/// An image's configuration, and the folder that its layers make.
struct Image {
    config: Value,
    root: PathBuf,
}

fn unpack(archive: &Path, folder: &Path) -> Image {
    let tar = |option: &str, archive: &Path, to: &Path| {
        fs::create_dir(to).unwrap();
        ran(Command::new("tar")
            .args(["--extract", option, "--file"])
            .arg(archive)
            .arg("-C")
            .arg(to));
    };
    let (content, root) = (folder.join("content"), folder.join("root"));
    tar("--preserve-permissions", archive, &content);
    let blob = |link: &Value| {
        content.join("blobs").join(link["digest"].as_str().unwrap().replace(':', "/"))
    };
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let manifest = read(&blob(&read(&content.join("index.json"))["manifests"][0]));
    let [layer] = &manifest["layers"].as_array().unwrap()[..] else { panic!("{manifest}") };
    tar("--gzip", &blob(layer), &root);
    Image { config: read(&blob(&manifest["config"]))["config"].clone(), root }
}

#[test]
fn the_image_runs_as_it_is_configured_and_passes_its_health_checks() {
    needs!(Redis, Python, Wheel, Buildah);
    // Whether this kernel lets us run a container, and root make an image.
    if Container::default().run(&["--version"]).is_none() {
        return;
    }
    let folder = scratch("image");
    let image = unpack(&archive(&folder), &folder);
    let config = &image.config;
    assert_eq!(config["User"], format!("{NOBODY}:{NOBODY}"));
    assert_eq!(config["Entrypoint"], "/usr/bin/downbeat".split(' ').collect::<Value>());
    assert_eq!(config["Cmd"], "run".split(' ').collect::<Value>());
    let label = |name: &str| config["Labels"][format!("org.opencontainers.image.{name}")].as_str();
    assert_eq!(label("version"), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(label("licenses"), Some("MIT OR Apache-2.0"));
    assert_eq!(label("title"), Some("downbeat"));
    assert_eq!(label("revision").map(str::len), Some(40));

    let socket = fs::metadata(image.root.join("run/downbeat")).unwrap();
    assert_eq!((socket.uid().to_string().as_str(), socket.mode() & 0o777), (NOBODY, 0o700));
    let authorities =
        fs::read_to_string(image.root.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert!(authorities.matches("BEGIN CERTIFICATE").count() > 50);
    let sbom = fs::read(image.root.join("usr/share/doc/downbeat/sbom.cdx.json")).unwrap();
    let sbom: Value = serde_json::from_slice(&sbom).unwrap();
    assert_eq!(sbom["metadata"]["component"]["name"], "downbeat");
    let parts = sbom["components"].as_array().unwrap();
    assert!(parts.iter().any(|part| part["name"] == "rustls"), "{parts:?}");
    // For scanners: every library's package.
    let packages: Vec<_> =
        fs::read_dir(image.root.join("var/lib/dpkg/status.d")).unwrap().collect();
    assert!(packages.iter().any(|package| package.as_ref().unwrap().file_name() == "libc6"));

    // Names are looked up by the image's own libraries.
    let (server, place) = (redis(), Place::new());
    place.write_schedule("a.yaml", TICKING);
    let broker = server.tcp_url().replace("127.0.0.1", "localhost");
    let container = Container::of_image(&image.root)
        .env("DOWNBEAT_BROKER", &broker)
        .env("DOWNBEAT_HTTP", "127.0.0.1:0")
        .env("DOWNBEAT_LEADER_TTL", "1s")
        .mount(&place.schedules(), "/etc/downbeat/schedules")
        .mount(Path::new("/etc/hosts"), "/etc/hosts")
        .tmpfs("/run/downbeat");
    let Some(mut running) = container.start(&["run"]) else { return };
    server.wait_for_queue("q", 3);
    let check = list("HEALTHCHECK");
    let check: Vec<&str> = check.iter().map(String::as_str).collect();
    let healthy = running.exec(&container, &check).ok();
    assert!(healthy.contains(", leader, pid 1, "), "{healthy}");
    let address = address(&running.downbeat);
    for path in ["/livez", "/readyz", "/leaderz"] {
        assert_eq!(get(&address, path).code, 200, "{path}");
    }
    running.signal(Signal::TERM);
    assert_eq!(running.wait().code(), Some(0));
}
