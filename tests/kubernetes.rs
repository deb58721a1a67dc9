//! The files for Kubernetes, rendered by `kubectl` and run by a container of our own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::containers::{DEPLOY, TICKING, documents, list, redis};
use crate::support::container::{Container, NOBODY};
use crate::support::downbeat::Finished;
use crate::support::http::{address, get};
use crate::support::tools::{kubectl, needs, tests_folder};

fn base() -> PathBuf {
    tests_folder().join(DEPLOY).join("kubernetes")
}

/// The valid documents that `kubectl apply -k` sends for a folder.
fn rendered(folder: &Path) -> Vec<Value> {
    let output = Command::new(kubectl()).arg("kustomize").arg(folder).output().unwrap();
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    fs::write(file.path(), Finished::from(output).ok()).unwrap();
    documents(file.path())
}

fn find<'d>(list: &'d [Value], key: &str, value: &Value) -> &'d Value {
    list.iter().find(|item| item[key] == *value).unwrap_or_else(|| panic!("no {key} {value}"))
}

/// Publishes files as a kubelet does: in a folder of their own, to which a link leads.
fn publish(mount: &Path, version: &str, files: &Value) {
    let folder = mount.join(version);
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in files.as_object().unwrap() {
        fs::write(folder.join(name), text.as_str().unwrap()).unwrap();
        // Once there, the name leads to whatever version is in force.
        let _ = symlink(format!("..data/{name}"), mount.join(name));
    }
    symlink(version, mount.join("..data_tmp")).unwrap();
    fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
}

#[test]
fn the_deployment_runs_as_it_is_written_and_takes_up_an_edit_of_its_config_map() {
    needs!(Redis, Python, Kubectl);
    let manifest = rendered(&base());
    let deployment = &find(&manifest, "kind", &json!("Deployment"))["spec"];
    let pod = &deployment["template"]["spec"];
    let spec = &pod["containers"][0];
    assert_eq!(deployment["replicas"], 2);
    assert_eq!(pod["securityContext"]["runAsUser"].to_string(), NOBODY);
    assert_eq!(spec["securityContext"]["readOnlyRootFilesystem"], true);

    // The same volumes in the same places, but for the Redis that there is.
    let (server, volumes) = (redis(), tempfile::tempdir().unwrap());
    let mut container = Container::default().env("DOWNBEAT_LEADER_TTL", "1s");
    for mount in spec["volumeMounts"].as_array().unwrap() {
        let volume = find(pod["volumes"].as_array().unwrap(), "name", &mount["name"]);
        let path = mount["mountPath"].as_str().unwrap();
        if volume.get("emptyDir").is_some() {
            container = container.empty_dir(path);
            continue;
        }
        let name = volume["configMap"].get("name").or(volume["secret"].get("secretName")).unwrap();
        let named = manifest.iter().find(|document| document["metadata"]["name"] == *name).unwrap();
        let files = match named["kind"].as_str().unwrap() {
            "Secret" => json!({"url": server.tcp_url()}),
            _ => named["data"].clone(),
        };
        let folder = volumes.path().join(mount["name"].as_str().unwrap());
        publish(&folder, "..1", &files);
        container = container.mount(&folder, path);
    }
    for variable in spec["env"].as_array().unwrap() {
        // Others may use the port on this machine.
        let value = variable["value"].as_str().unwrap().replace(":9632", ":0");
        container = container.env(variable["name"].as_str().unwrap(), &value);
    }
    assert_eq!(spec["args"], json!(list("CMD")));
    let Some(mut running) = container.start(&["run"]) else { return };
    running.downbeat.wait_for_log("became leader");
    let address = address(&running.downbeat);
    for probe in ["livenessProbe", "readinessProbe"] {
        let path = spec[probe]["httpGet"]["path"].as_str().unwrap();
        assert_eq!(get(&address, path).code, 200, "{probe}");
    }
    let status = running.exec(&container, &["downbeat", "status"]).ok();
    assert!(status.contains(", leader, pid 1, "), "{status}");
    // In the volume itself, to which everybody may write, it would not listen.
    let open = ["downbeat", "status", "--runtime-dir", "/run/downbeat"];
    let said = running.exec(&container, &open).refused(3);
    assert!(said.contains("/run/downbeat is open to other users (mode 2777)"), "{said}");
    publish(&volumes.path().join("schedules"), "..2", &json!({"shop.yaml": TICKING}));
    running.downbeat.wait_for_log("reloaded difference=added tick; removed nightly-report");
    server.wait_for_queue("q", 1);
    running.signal(Signal::TERM);
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn an_overlay_has_schedules_an_image_and_a_namespace_of_its_own() {
    needs!(Python, Kubectl);
    let page = fs::read_to_string(tests_folder().join(DEPLOY).join("README.md")).unwrap();
    let (_, block) = page.split_once("```yaml\n").unwrap();
    let overlay = block.split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("shop");
    fs::create_dir_all(own.join("schedules")).unwrap();
    symlink(base(), folder.path().join("kubernetes")).unwrap();
    fs::write(own.join("schedules/orders.yaml"), TICKING).unwrap();
    // Debian's kubectl knows folders by the older word only.
    let overlay = overlay.replace("resources:", "bases:");
    fs::write(own.join("kustomization.yaml"), overlay).unwrap();
    let documents = rendered(&own);
    let of_kind = |kind: &str| find(&documents, "kind", &json!(kind));
    assert!(documents.iter().all(|document| document["metadata"]["namespace"] == "shop"));
    assert_eq!(of_kind("ConfigMap")["data"], json!({"orders.yaml": TICKING}));
    let pod = &of_kind("Deployment")["spec"]["template"]["spec"];
    let image = format!("registry.example.com/downbeat:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(pod["containers"][0]["image"], image);
}
