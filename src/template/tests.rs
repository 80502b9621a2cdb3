use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::record::Stream;

const ALL: &str = "{namespace}|{pod}|{uid}|{container}|{restart}|{id}";
const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn rendered(template: &str, path: &str, real: Option<&str>) -> String {
    let origin = Origin::of(Path::new(path), real.map(Path::new));
    let bytes = Template::parse(template).unwrap().render(&origin).bytes;
    String::from_utf8(bytes).unwrap()
}

#[test]
fn kubelets_layouts_are_understood_below_any_root() {
    let pods = "/var/log/pods/prod_web-5d9_6f1c-22/nginx/3.log";
    assert_eq!(rendered(ALL, pods, None), "prod|web-5d9|6f1c-22|nginx|3|");
    let mounted = "/host/var/log/pods/prod_web_6f1c/nginx/0.log.20260131-120000";
    assert_eq!(rendered(ALL, mounted, None), "prod|web|6f1c|nginx|0|");
    let link = format!("/var/log/containers/web-5d9_prod_side-car-{ID}.log");
    assert_eq!(rendered(ALL, &link, None), format!("prod|web-5d9||side-car||{ID}"));
    let docker = format!("/var/lib/docker/containers/{ID}/{ID}-json.log");
    assert_eq!(rendered(ALL, &docker, None), format!("|||||{ID}"));
}

#[test]
fn where_a_link_leads_says_what_its_name_does_not() {
    let link = format!("/var/log/containers/web_prod_nginx-{ID}.log");
    let pods = "/var/log/pods/prod_web_6f1c/nginx/7.log";
    assert_eq!(rendered(ALL, &link, Some(pods)), format!("prod|web|6f1c|nginx|7|{ID}"));
    let docker = format!("/var/lib/docker/containers/{ID}/{ID}-json.log");
    assert_eq!(rendered(ALL, pods, Some(&docker)), format!("prod|web|6f1c|nginx|7|{ID}"));
}

#[test]
fn paths_of_others_say_nothing() {
    for path in [
        "/var/log/nginx/access.log",
        "/var/log/pods/prod_web/nginx/0.log",
        "/var/log/pods/prod_web_6f1c_x/nginx/0.log",
        "/var/log/pods/_web_6f1c/nginx/0.log",
        "/var/log/containers/web_prod.log",
        "/var/log/containers/web_prod_nginx.log",
        "/var/log/containers/web_prod_-1.log",
        "/var/lib/docker/containers/abc/abd-json.log",
        "/a.log",
    ] {
        assert_eq!(rendered(ALL, path, None), "|||||", "{path}");
    }
    assert_eq!(rendered(ALL, "/p/pods/n_p_u/c/x.log", None), "n|p|u|c||");
}

#[test]
fn texts_and_fields_take_turns() {
    let path = "/var/log/naïve.log";
    assert_eq!(rendered("{file.name}: {path}", path, None), format!("naïve.log: {path}"));
    assert_eq!(rendered("{{{file.name}}} }}{{", path, None), "{naïve.log} }{");
    let bound = bind("{host}-{input}-{{{host}", None).unwrap();
    assert_eq!(bound.constant(), Some("web-1-a{b}-{web-1"));
    assert_eq!(Template::parse("").unwrap().constant(), Some(""));
}

fn bind(text: &str, stream: Option<Stream>) -> Result<Template, Wrong> {
    let fields = [("a.b".to_owned(), "{c}".to_owned())];
    let input = Input { host: "web-1", id: "a{b}", fields: &fields, stream };
    Template::parse(text).unwrap().bind(&input)
}

#[test]
fn fields_of_an_input_are_the_same_for_all_its_records() {
    assert_eq!(bind("x{field:a.b}", None).unwrap().constant(), Some("x{c}"));
    assert_eq!(bind("{field:a}", None), Err(Wrong::NotGiven("a".into())));
}

#[test]
fn a_stream_is_known_of_an_input_or_of_a_record() {
    assert_eq!(bind("{stream}", Some(Stream::Stderr)).unwrap().constant(), Some("stderr"));
    let open = bind("{stream}", None).unwrap();
    let origin = Origin::of(Path::new("/a"), None);
    assert_eq!((open.constant(), open.len_max()), (None, 6));
    assert_eq!(open.render(&origin).missing, Some(Field::Stream));
    assert_eq!(open.render(&origin.by(Stream::Stdout)).bytes, b"stdout");
}

#[test]
fn each_stream_has_a_label_if_they_differ() {
    let key = Some(Template::parse("{file.name}.{stream}").unwrap());
    let (label, _) = Labeller::new(&Labels { key, ..Labels::plain("t") }).label(&pod(1), None);
    let of_stderr = label.of_stderr.as_ref().unwrap();
    assert_eq!(label.key.as_deref(), Some(&b"0.log.stdout"[..]));
    assert_eq!(of_stderr.key.as_deref(), Some(&b"0.log.stderr"[..]));
    assert_eq!(label.topic, of_stderr.topic);
    assert_eq!(Labeller::new(&Labels::plain("t")).label(&pod(1), None).0.of_stderr, None);
}

#[test]
fn a_path_that_is_no_text_is_passed_on_as_it_is() {
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(b"/log/\xff.log"));
    let rendered = Template::parse("{path}").unwrap().render(&Origin::of(&path, None));
    assert_eq!(rendered, Rendered { bytes: b"/log/\xff.log".to_vec(), missing: None });
}

#[test]
fn what_is_no_template_says_why() {
    for (text, wrong) in [
        ("a{host", Wrong::Unclosed),
        ("a}", Wrong::Unopened),
        ("{hots}", Wrong::Unknown("hots".into())),
        ("{}", Wrong::Unknown(String::new())),
    ] {
        assert_eq!(Template::parse(text), Err(wrong), "{text}");
    }
}

fn labels(topic: &str) -> Labels {
    Labels { topic_fallback: Some("rest".into()), topics_max: 2, ..Labels::plain(topic) }
}

fn pod(number: u32) -> PathBuf {
    format!("/var/log/pods/ns{number}_web_u/app/0.log").into()
}

#[test]
fn topics_made_of_paths_are_bounded() {
    let mut labeller = Labeller::new(&labels("logs.{namespace}"));
    let mut topic = |number| {
        let (label, why) = labeller.label(&pod(number), None);
        (label.topic.to_string(), why)
    };
    assert_eq!(topic(1), ("logs.ns1".into(), None));
    assert_eq!(topic(2), ("logs.ns2".into(), None));
    assert_eq!(topic(3), ("rest".into(), Some(Fallback::TooMany("logs.ns3".into()))));
    assert_eq!(topic(2), ("logs.ns2".into(), None));
}

#[test]
fn a_topic_that_cannot_be_falls_back() {
    let topic = |template: &str, path: &str| {
        let (label, why) = Labeller::new(&labels(template)).label(Path::new(path), None);
        assert_eq!(&*label.topic, "rest");
        why
    };
    let (bad, long) = ("/var/log/a b", format!("/var/log/{}", "x".repeat(250)));
    assert_eq!(topic("{file.name}", bad), Some(Fallback::Illegal("a b".into())));
    assert_eq!(topic("{file.name}", &long), Some(Fallback::Illegal("x".repeat(250))));
    assert_eq!(topic("logs.{pod}", bad), Some(Fallback::Unknown("pod")));
}

#[test]
fn key_and_headers_take_what_there_is() {
    let template = |text: &str| Template::parse(text).unwrap();
    let labels = Labels {
        key: Some(template("{namespace}/{pod}")),
        headers: vec![("env".into(), template("prod")), ("uid".into(), template("{uid}"))],
        ..Labels::plain("t")
    };
    let mut labeller = Labeller::new(&labels);
    let (label, _) = labeller.label(&pod(1), None);
    assert_eq!(label.key.as_deref(), Some(&b"ns1/web"[..]));
    assert_eq!(label.headers, [("env".into(), b"prod".to_vec()), ("uid".into(), b"u".to_vec())]);
    let (other, why) = labeller.label(Path::new("/var/log/other.log"), None);
    assert_eq!((other.key.as_deref(), &*other.topic, why), (Some(&b"/"[..]), "t", None));
}

#[test]
fn lineages_share_what_is_the_same_for_all() {
    let mut labeller = Labeller::new(&Labels::plain("t"));
    let (one, other) = (labeller.label(&pod(1), None).0, labeller.label(&pod(2), None).0);
    assert!(std::sync::Arc::ptr_eq(&one, &other));
}

/// What kubelet may call things, and what others may.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9]([-a-z0-9.]{0,12}[a-z0-9])?", "[-a-z.]{1,6}(\\.log)?[a-z0-9]{1,3}"]
}

proptest! {
    #[test]
    fn names_are_found_where_they_were_put(
        (namespace, pod, uid, container) in (name(), name(), "[a-f0-9-]{1,36}", "[a-z0-9]([-a-z0-9]{0,9}[a-z0-9])?"),
        restart in any::<u32>(),
        id in "[a-f0-9]{64}",
    ) {
        let pods = format!("/var/log/pods/{namespace}_{pod}_{uid}/{container}/{restart}.log");
        let link = format!("/var/log/containers/{pod}_{namespace}_{container}-{id}.log");
        let known = format!("{namespace}|{pod}|{uid}|{container}|{restart}|");
        prop_assert_eq!(rendered(ALL, &pods, None), known.clone());
        prop_assert_eq!(rendered(ALL, &link, None), format!("{namespace}|{pod}||{container}||{id}"));
        prop_assert_eq!(rendered(ALL, &link, Some(&pods)), format!("{known}{id}"));
    }

    #[test]
    fn any_path_has_an_answer(
        parts in prop::collection::vec(prop_oneof![
            Just("pods".to_owned()), Just("containers".to_owned()), "[a_.-]{0,8}(\\.log)?", "\\PC{0,8}",
        ], 0..6),
    ) {
        let path = format!("/{}", parts.join("/"));
        let found = rendered(ALL, &path, Some(&path));
        prop_assert_eq!(found.clone(), rendered(ALL, &path, None));
        prop_assert!(found.split('|').all(|value| value.is_empty() || path.contains(value)));
    }

    #[test]
    fn a_template_is_shown_as_it_may_be_written(
        parts in prop::collection::vec(prop_oneof![
            "[a-z{}.]{0,4}", prop::sample::select(vec!["{{", "}}", "{pod}", "{file.name}", "{host}", "{field:a.b}"]).prop_map(str::to_owned),
        ], 0..8),
    ) {
        if let Ok(template) = Template::parse(&parts.concat()) {
            prop_assert_eq!(Template::parse(&template.to_string()), Ok(template));
        }
    }
}
