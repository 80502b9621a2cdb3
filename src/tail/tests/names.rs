//! One file under several matched names.

use super::bench::Bench;

#[test]
fn two_matched_names_of_one_file_are_shipped_once() {
    let mut bench = Bench::new();
    bench.also("web.log");
    bench.write("app.log", "a1\n");
    std::fs::hard_link(bench.path("app.log"), bench.path("web.log")).unwrap();
    bench.ship();
    bench.append("app.log", "a2\n");
    bench.ship();
    bench.restart();
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2"]);
}

#[test]
fn a_file_renamed_to_another_matched_name_goes_on_where_it_was() {
    for is_stopped in [false, true] {
        let mut bench = Bench::new();
        bench.also("web.log");
        bench.write("app.log", "a1\n");
        bench.ship();
        let kept = is_stopped.then(|| bench.stop());
        bench.rename("app.log", "web.log");
        bench.append("web.log", "a2\n");
        if let Some(kept) = kept {
            bench.start(kept);
        }
        bench.ship();
        bench.write("app.log", "b1\n");
        bench.ship();
        bench.restart();
        bench.append("web.log", "a3\n");
        bench.ship();
        assert_eq!(bench.texts(), ["a1", "a2", "b1", "a3"], "{is_stopped}");
    }
}

#[test]
fn a_link_and_its_file_that_both_match_are_shipped_once() {
    let mut bench = Bench::new();
    let (link, real) = (bench.path("link.log"), bench.path("app.log"));
    bench.write("app.log", "a1\n");
    bench.look_through(&link, &real);
    bench.ship();
    bench.append("app.log", "a2\n");
    bench.look_through(&link, &real);
    bench.ship();
    bench.restart();
    bench.ship();
    bench.look_through(&link, &real);
    bench.turns();
    assert_eq!(bench.texts(), ["a1", "a2"]);
}

#[test]
fn files_that_change_names_with_each_other_go_on_where_they_were() {
    for is_stopped in [false, true] {
        let mut bench = Bench::new();
        bench.also("web.log");
        bench.write("app.log", "a1\n");
        bench.write("web.log", "w1\n");
        bench.ship();
        let kept = is_stopped.then(|| bench.stop());
        bench.rename("app.log", "away");
        bench.rename("web.log", "app.log");
        bench.rename("away", "web.log");
        if let Some(kept) = kept {
            bench.start(kept);
        }
        bench.append("app.log", "w2\n");
        bench.append("web.log", "a2\n");
        bench.ship();
        bench.append("app.log", "w3\n");
        bench.append("web.log", "a3\n");
        bench.ship();
        let mut texts = bench.texts();
        texts.sort();
        assert_eq!(texts, ["a1", "a2", "a3", "w1", "w2", "w3"], "{is_stopped}");
        assert_eq!(bench.lost(), []);
    }
}

#[test]
fn a_line_goes_on_in_a_file_that_was_renamed_to_another_matched_name() {
    let mut bench = Bench::new();
    bench.also("web.log");
    bench.write("app.log", "a1\nha");
    bench.ship();
    bench.rename("app.log", "web.log");
    bench.ship();
    bench.wait(30);
    bench.append("web.log", "lf\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "half"]);
}

#[test]
fn an_empty_file_that_was_renamed_to_another_matched_name_is_read_once() {
    let mut bench = Bench::new();
    bench.also("web.log");
    bench.write("app.log", "");
    bench.ship();
    bench.rename("app.log", "web.log");
    bench.ship();
    bench.append("web.log", "a1\n");
    bench.ship();
    bench.write("app.log", "b1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "b1"]);
}

#[test]
fn a_matched_name_is_free_again_once_its_file_is_gone() {
    let mut bench = Bench::new();
    bench.also("web.log");
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.rename("app.log", "web.log");
    bench.append("web.log", "a2\n");
    bench.ship();
    bench.append("web.log", "a3\n");
    bench.remove("web.log");
    bench.write("web.log", "w1\n");
    bench.ship();
    bench.ship();
    bench.wait(70);
    bench.append("web.log", "w2\n");
    bench.restart();
    bench.ship();
    assert_eq!(bench.texts_of("app.log"), ["a1", "a2", "a3"]);
    assert_eq!(bench.texts_of("web.log"), ["w1", "w2"]);
    assert_eq!((bench.lost(), bench.source_count()), (vec![], 1));
}
