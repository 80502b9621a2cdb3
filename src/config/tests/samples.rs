//! The configurations that are shipped.

use std::path::Path;

use super::{Fixed, load};
use crate::config::check::{self, World};
use crate::config::include::Included;
use crate::config::raw::{NodeId, finish};
use crate::config::report::Report;
use crate::config::yaml::Document;

pub(super) const FULL: &str = include_str!("../../../config/tailspool.yaml");
const MINIMAL: &str = include_str!("../../../config/minimal.yaml");

#[test]
fn samples_load_without_a_warning() {
    for text in [FULL, MINIMAL] {
        let loaded = load(text).expect("is right");
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    }
    assert_eq!(MINIMAL.lines().count(), 10);
}

#[test]
fn each_default_in_the_full_sample_is_the_built_in_one() {
    let required = "
kafka:
  bootstrap.servers: [kafka-1.example.com:9092, kafka-2.example.com:9092, kafka-3.example.com:9092]
inputs:
  - id: nginx
    paths: [/var/log/nginx/*.log]
    topic: logs.nginx
";
    let mut full = load(FULL).expect("is right").settings;
    let bare = load(required).expect("is right").settings;
    // Given or not, it means the same.
    assert_eq!(full.kafka.security.0.remove("security.protocol").as_deref(), Some("PLAINTEXT"));
    assert_eq!(format!("{full:#?}"), format!("{bare:#?}"));
}

/// Every key that the full sample's sections ask for, those of its examples too.
pub(super) fn known() -> Vec<String> {
    let examples = FULL.replace("    #multiline:", "    multiline:");
    let examples = examples.replace("    #processors:", "    processors:");
    let text = examples.replace("    #  ", "      ");
    let (_, root) = Document::parse(&text, NodeId(0)).expect("is YAML");
    let world = World { vars: &Fixed(&[]), host: "h".into(), exposed: false };
    let report = Report::default();
    let root = finish(root, world.vars, &report);
    check::settings(&root, &Included::default(), &world, &report);
    let known = report.known.borrow().iter().cloned().collect::<Vec<_>>();
    assert!(known.len() > 50);
    known
}

#[test]
fn the_full_sample_has_every_key() {
    for key in known() {
        let name = if let Some(name) = key.strip_prefix("kafka.") {
            name
        } else {
            key.rsplit('.').next().unwrap()
        };
        let starts = |line: &str| {
            let line = line.trim_start_matches([' ', '#', '-']);
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'))
        };
        assert!(FULL.lines().any(starts), "{key}");
    }
}

#[test]
fn a_file_that_is_not_there_is_said_with_its_path() {
    let error = crate::config::load(Path::new("/nowhere/tailspool.yaml")).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("cannot read the configuration /nowhere/tailspool.yaml: "), "{text}");
}

#[test]
fn a_file_is_loaded_from_disk() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/minimal.yaml");
    let settings = crate::config::load(&path).expect("is right").settings;
    assert!(settings.kafka.client_id.starts_with("tailspool-"));
    assert_eq!(settings.inputs.len(), 2);
}
