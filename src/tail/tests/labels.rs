//! What the path says goes along with each record.

use std::fs;

use super::bench::{Bench, Line, input};
use crate::budget::Budget;
use crate::tail::Ending;
use crate::template::{Labels, Template};

fn bench() -> Bench {
    let template = |text: &str| Template::parse(text).unwrap();
    let labels = Labels {
        topic: template("logs.{namespace}"),
        topic_fallback: Some("rest".into()),
        topics_max: 1,
        key: Some(template("{namespace}/{pod}/{uid}/{restart}")),
        headers: vec![("file".into(), template("{file.name}"))],
        record_id: None,
    };
    Bench::with(crate::settings::Input { labels, ..input() }, Ending::Follow)
}

fn shown(line: &Line) -> String {
    let key = line.label.key.as_deref().map(String::from_utf8_lossy);
    let [(name, value)] = line.label.headers.as_slice() else { panic!("{line:?}") };
    let value = String::from_utf8_lossy(value);
    format!("{} {} {name}={value} {}", line.label.topic, key.unwrap_or_default(), line.text)
}

fn shipped(bench: &Bench) -> Vec<String> {
    let mut shown: Vec<_> = bench.heard.borrow().lines.iter().map(shown).collect();
    shown.sort();
    shown
}

#[test]
fn each_lineage_has_the_topic_and_the_key_of_its_path() {
    let mut bench = bench();
    for (name, text) in [("pods/a_web_u1/app/0.log", "one\n"), ("pods/b_db_u2/app/4.log", "two\n")]
    {
        fs::create_dir_all(bench.path(name).parent().unwrap()).unwrap();
        bench.write(name, text);
        bench.also(name);
        bench.ship();
    }
    bench.write("app.log", "three\n");
    bench.ship();
    // There is room for one topic.
    assert_eq!(
        shipped(&bench),
        [
            "logs.a a/web/u1/0 file=0.log one",
            "rest /// file=app.log three",
            "rest b/db/u2/4 file=4.log two",
        ]
    );
}

#[test]
fn what_a_link_led_to_is_known_after_it_is_gone() {
    let mut bench = bench();
    let (name, real) = ("containers/web_a_app-1f.log", "pods/a_web_u1/app/7.log");
    for name in [name, real] {
        fs::create_dir_all(bench.path(name).parent().unwrap()).unwrap();
    }
    bench.write(real, "one\n");
    let (link, to) = (bench.path(name), bench.path(real));
    bench.look_through(&link, &to);
    bench.turns();
    bench.append(real, "two\n");
    bench.restart();
    bench.look_at(&link, true);
    bench.turns();
    let label = "logs.a a/web/u1/7 file=web_a_app-1f.log";
    assert_eq!(shipped(&bench), [format!("{label} one"), format!("{label} two")]);
}

#[test]
fn what_each_record_carries_is_paid_for() {
    let headers = vec![("large".into(), Template::parse(&"x".repeat(4096)).unwrap())];
    let labels = Labels { headers, ..Labels::plain("t") };
    let settings = crate::settings::Input { labels, ..input() };
    let mut bench = Bench::with(settings, Ending::Follow);
    bench.limit(Budget::new(4 << 20, || {}));
    bench.heard.borrow_mut().blocks = Some(Vec::new());
    bench.write("app.log", "\n".repeat(10_000));
    bench.look();
    let mut rounds = 0;
    while bench.texts().len() < 10_000 {
        rounds += 1;
        assert!(rounds < 1000, "no progress");
        bench.turns();
        assert!(bench.budget.used() <= bench.budget.limit(), "{}", bench.budget.used());
        let mut heard = bench.heard.borrow_mut();
        let blocks = heard.blocks.as_mut().unwrap();
        assert!(blocks.iter().all(|b| b.permit.bytes() >= b.len() as usize * 4096));
        blocks.clear();
    }
}
