//! `chaos/cluster`, without a cluster: what its manifests need is built, and its images are what they say.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster")
}

/// Every YAML document below `folder`.
fn documents(folder: &Path) -> Vec<Value> {
    let mut all = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(documents(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            all.extend(serde_saphyr::from_multiple::<Value>(&text).unwrap());
        }
    }
    all
}

#[test]
fn every_image_that_runs_there_is_built() {
    let build = fs::read_to_string(folder().join("build")).unwrap();
    let mut wanted = Vec::new();
    for one in documents(&folder().join("manifests")) {
        for container in
            one.pointer("/spec/template/spec/containers").and_then(Value::as_array).into_iter().flatten()
        {
            wanted.push(container["image"].as_str().unwrap().to_owned());
        }
        for image in one["images"].as_array().into_iter().flatten() {
            wanted.push(format!(
                "{}:{}",
                image["newName"].as_str().unwrap(),
                image["newTag"].as_str().unwrap()
            ));
        }
    }
    // A name without a registry is one of this.
    let installed = documents(&folder().join("../../deploy/manifests/base"));
    let set = installed.iter().find(|one| one["kind"] == "StatefulSet").unwrap();
    let image = set["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap();
    wanted.push(format!("docker.io/library/{image}"));
    assert!(wanted.len() >= 5, "{wanted:?}");
    for image in wanted {
        assert!(build.contains(&format!(" {image} ")), "{image}");
    }
}

#[test]
fn the_image_of_the_job_takes_the_place_of_the_public_one() {
    let public = documents(&folder().join("../kubernetes"));
    let public = public.iter().find(|one| one["kind"] == "Kustomization").unwrap();
    let ours = fs::read_to_string(folder().join("manifests/chaos/kustomization.yaml")).unwrap();
    let name = public["images"][0]["newName"].as_str().unwrap();
    assert!(ours.contains(&format!("name: {name}\n")), "{name}");
}

/// Packs a folder with two files, and unpacks the archive.
fn packed() -> (Vec<u8>, TempDir) {
    let scratch = TempDir::new().unwrap();
    let root = scratch.path().join("root");
    fs::create_dir_all(root.join("bin")).unwrap();
    for (name, mode) in [("bin/program", 0o755), ("settings", 0o644)] {
        fs::write(root.join(name), name).unwrap();
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let archive = scratch.path().join("image.tar");
    let status = Command::new(folder().join("image"))
        .args([archive.as_os_str(), "localhost/thing:7".as_ref(), root.as_os_str(), "/bin/program".as_ref()])
        .status()
        .unwrap();
    assert!(status.success());
    let unpacked = TempDir::new().unwrap();
    let status = Command::new("tar").arg("-xf").arg(&archive).current_dir(unpacked.path()).status().unwrap();
    assert!(status.success());
    (fs::read(archive).unwrap(), unpacked)
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn an_image_is_what_its_digests_say_and_the_same_each_time() {
    if Command::new("dpkg").arg("--version").output().is_err() {
        println!("left out: no dpkg here");
        return;
    }
    let (bytes, unpacked) = packed();
    assert!(bytes == packed().0, "the same files, the same archive");

    let mut blobs = BTreeMap::new();
    for entry in unpacked.path().join("blobs/sha256").read_dir().unwrap() {
        let entry = entry.unwrap();
        let content = fs::read(entry.path()).unwrap();
        let digest = hex::encode(Sha256::digest(&content));
        assert_eq!(entry.file_name(), digest.as_str());
        blobs.insert(format!("sha256:{digest}"), content);
    }
    let blob = |of: &Value| {
        let content = &blobs[of["digest"].as_str().unwrap()];
        assert_eq!(of["size"], content.len());
        content.clone()
    };
    let index = read(&unpacked.path().join("index.json"));
    let manifest = &index["manifests"][0];
    assert_eq!(manifest["annotations"]["io.containerd.image.name"], "localhost/thing:7");
    let manifest: Value = serde_json::from_slice(&blob(manifest)).unwrap();
    let layer = &manifest["layers"][0];
    let config: Value = serde_json::from_slice(&blob(&manifest["config"])).unwrap();
    assert_eq!(config["config"]["Entrypoint"][0], "/bin/program");
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["rootfs"]["diff_ids"][0], layer["digest"]);

    let root = TempDir::new().unwrap();
    fs::write(root.path().join("layer.tar"), blob(layer)).unwrap();
    let status = Command::new("tar").args(["-xpf", "layer.tar"]).current_dir(root.path()).status().unwrap();
    assert!(status.success());
    let program = root.path().join("bin/program");
    assert_eq!(fs::read(&program).unwrap(), b"bin/program");
    assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o777, 0o755);
}
