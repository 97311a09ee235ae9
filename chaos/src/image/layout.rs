//! An image as files: the OCI image layout (github.com/opencontainers/image-spec), the same bytes for the same content.
//!
//! In: for each platform a program, and what it is made of. Out: the blobs by their digests, and the index that names them.
//! Nothing here knows when or where it runs: times are the commit's.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use hex::ToHex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

/// Who runs in it: nobody that a node knows.
pub const USER: u64 = 65532;

/// Where the program lies.
pub const PROGRAM: &str = "bin/bellwether";

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const SBOM: &str = "application/vnd.cyclonedx+json";

/// What all platforms have in common.
pub struct About {
    /// The version of the program, as the image's tag.
    pub version: String,
    /// The commit that it was built from.
    pub revision: String,
    /// When that was made, in seconds since 1970.
    pub seconds: i64,
}

/// What runs on one platform.
pub struct Part {
    /// As Go calls it: amd64, arm64.
    pub architecture: String,
    /// The program.
    pub program: Vec<u8>,
    /// What it is made of, as CycloneDX.
    pub materials: Value,
}

/// A file of the image, or a folder, whose path ends so.
struct File<'a> {
    path: &'a str,
    mode: u32,
    bytes: &'a [u8],
}

/// The files of a layout, by their paths.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Layout(pub BTreeMap<String, Vec<u8>>);

impl Layout {
    /// The layout of one image for all `parts`, each with what it is made of beside it, as a referrer.
    ///
    /// # Errors
    ///
    /// Where the time of the commit is none.
    pub fn of(about: &About, parts: &[Part]) -> Result<Self> {
        let mut layout = Self::default();
        let created = jiff::Timestamp::from_second(about.seconds).context("the time of the commit")?;
        let created = created.to_string();
        let annotations = json!({
            "org.opencontainers.image.created": created,
            "org.opencontainers.image.licenses": "Apache-2.0",
            "org.opencontainers.image.revision": about.revision,
            "org.opencontainers.image.title": "bellwether",
            "org.opencontainers.image.version": about.version,
        });
        let (mut images, mut referrers) = (Vec::new(), Vec::new());
        for part in parts {
            let files = [
                File { path: "bin/", mode: 0o755, bytes: &[] },
                File { path: PROGRAM, mode: 0o755, bytes: &part.program },
                File { path: "LICENSE", mode: 0o644, bytes: include_bytes!("../../../LICENSE") },
            ];
            let archive = archive(&files, about.seconds)?;
            let layer = layout.put(LAYER, compressed(&archive)?);
            let config = json!({
                "created": created,
                "architecture": part.architecture,
                "os": "linux",
                "config": {
                    "User": format!("{USER}:{USER}"),
                    "Entrypoint": [format!("/{PROGRAM}")],
                    "Cmd": ["help"],
                    // For `kubectl exec POD -- bellwether status`.
                    "Env": ["PATH=/bin"],
                    "ExposedPorts": {"9090/tcp": {}, "9911/tcp": {}, "9912/tcp": {}},
                    "WorkingDir": "/",
                    "StopSignal": "SIGTERM",
                    "Labels": annotations,
                },
                "rootfs": {"type": "layers", "diff_ids": [digest(&archive)]},
                "history": [{"created": created, "created_by": "deploy/image"}],
            });
            let config = layout.put(CONFIG, text(&config));
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": config,
                "layers": [layer],
                "annotations": annotations,
            });
            let mut image = layout.put(MANIFEST, text(&manifest));
            referrers.push(layout.materials(&image, part));
            image["platform"] = json!({"architecture": part.architecture, "os": "linux"});
            images.push(image);
        }
        let index = json!({
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": images,
            "annotations": annotations,
        });
        let mut index = layout.put(INDEX, text(&index));
        index["annotations"] = json!({"org.opencontainers.image.ref.name": about.version});
        let all: Vec<_> = std::iter::once(index).chain(referrers).collect();
        layout.0.insert(
            "index.json".to_owned(),
            text(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": all})),
        );
        layout.0.insert("oci-layout".to_owned(), text(&json!({"imageLayoutVersion": "1.0.0"})));
        Ok(layout)
    }

    /// What the image for a platform is made of, as a manifest that refers to it.
    fn materials(&mut self, image: &Value, part: &Part) -> Value {
        let config = self.put(EMPTY, b"{}".to_vec());
        let list = self.put(SBOM, text(&part.materials));
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": SBOM,
            "config": config,
            "layers": [list],
            "subject": image,
        });
        let mut descriptor = self.put(MANIFEST, text(&manifest));
        descriptor["artifactType"] = json!(SBOM);
        descriptor
    }

    /// Adds a blob, and says how it is called.
    fn put(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = digest(&bytes);
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
        self.0.insert(blob(&digest), bytes);
        descriptor
    }
}

/// Where the blob of a digest lies.
pub fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

/// The digest of a blob, as descriptors have it.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", Sha256::digest(bytes).encode_hex::<String>())
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// A layer: root's files, which nobody else can write.
fn archive(files: &[File<'_>], seconds: i64) -> Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for file in files {
        let mut header = Header::new_ustar();
        let folder = file.path.ends_with('/');
        header.set_entry_type(if folder { EntryType::Directory } else { EntryType::Regular });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mode(file.mode);
        header.set_mtime(u64::try_from(seconds).context("the commit is older than 1970")?);
        header.set_size(file.bytes.len() as u64);
        builder.append_data(&mut header, file.path, file.bytes).context("write a layer")?;
    }
    builder.into_inner().context("write a layer")
}

/// As gzip, whose head says neither when nor of what.
fn compressed(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).context("compress a layer")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(program: &str) -> Layout {
        let about = About { version: "1.2.3".into(), revision: "abc".into(), seconds: 1_700_000_000 };
        let part = |architecture: &str| Part {
            architecture: architecture.into(),
            program: program.into(),
            materials: json!({"bomFormat": "CycloneDX"}),
        };
        Layout::of(&about, &[part("amd64"), part("arm64")]).unwrap()
    }

    fn json_of(layout: &Layout, path: &str) -> Value {
        serde_json::from_slice(&layout.0[path]).unwrap()
    }

    #[test]
    fn the_same_content_is_the_same_bytes() {
        assert_eq!(made("x"), made("x"));
        assert_ne!(made("x").0["index.json"], made("y").0["index.json"]);
    }

    #[test]
    fn every_blob_has_the_digest_and_the_size_that_it_is_called_by() {
        let layout = made("x");
        let blobs = layout.0.iter().filter(|(path, _)| path.starts_with("blobs/"));
        for (path, bytes) in blobs {
            assert_eq!(*path, blob(&digest(bytes)));
        }
        let json = layout.0.values().filter_map(|bytes| serde_json::from_slice(bytes).ok());
        let named: Vec<_> = json.flat_map(|value: Value| descriptors(&value)).collect();
        assert!(named.len() > 10, "{named:?}");
        for (digest, size) in named {
            assert_eq!(layout.0[&blob(&digest)].len() as u64, size, "{digest}");
        }
    }

    fn descriptors(value: &Value) -> Vec<(String, u64)> {
        let own = value["digest"].as_str().zip(value["size"].as_u64());
        let own = own.map(|(digest, size)| (digest.to_owned(), size));
        let inner: Vec<&Value> = match value {
            Value::Object(fields) => fields.values().collect(),
            Value::Array(items) => items.iter().collect(),
            _ => Vec::new(),
        };
        own.into_iter().chain(inner.into_iter().flat_map(descriptors)).collect()
    }

    #[test]
    fn each_platform_has_its_image_and_what_that_is_made_of() {
        let layout = made("x");
        let index = json_of(&layout, "index.json");
        assert_eq!(index["manifests"].as_array().unwrap().len(), 3);
        let image = json_of(&layout, &blob(index["manifests"][0]["digest"].as_str().unwrap()));
        let amd64 = &image["manifests"][0];
        assert_eq!(amd64["platform"], json!({"architecture": "amd64", "os": "linux"}));
        let referrer = json_of(&layout, &blob(index["manifests"][1]["digest"].as_str().unwrap()));
        assert_eq!(referrer["subject"]["digest"], amd64["digest"]);
        let materials = json_of(&layout, &blob(referrer["layers"][0]["digest"].as_str().unwrap()));
        assert_eq!(materials["bomFormat"], "CycloneDX");
    }

    #[test]
    fn nobody_but_root_can_write_what_is_in_it() {
        let files = [File { path: PROGRAM, mode: 0o755, bytes: b"x" }];
        let archive = archive(&files, 7).unwrap();
        let mut archive = tar::Archive::new(&archive[..]);
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.mode().unwrap(), header.mtime().unwrap()), (0, 0o755, 7));
    }
}
