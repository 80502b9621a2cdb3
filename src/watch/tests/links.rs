//! Symbolic links, trusted and not.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

#[test]
fn links_outside_trusted_roots_are_not_followed_and_said_once() {
    let mut bed = Bed::new(&["logs/*.log", "logs/*/x", "logs/deep/**/y"]);
    bed.input.follow_symlinks = vec![bed.at("trusted")];
    bed.write("trusted/real.log");
    bed.write("elsewhere/x");
    bed.write("logs/a/x");
    fs::create_dir(bed.at("logs/deep")).unwrap();
    symlink("/etc/shadow", bed.at("logs/evil.log")).unwrap();
    symlink(bed.at("elsewhere"), bed.at("logs/b")).unwrap();
    symlink(bed.at("elsewhere"), bed.at("logs/deep/c")).unwrap();
    symlink(bed.at("nowhere"), bed.at("logs/broken.log")).unwrap();
    let mut watch = bed.watch();
    let scan = watch.scan();
    assert_eq!(
        scan.found.iter().map(|found| &found.path).collect::<Vec<_>>(),
        [&bed.at("logs/a/x")]
    );
    let mut said: Vec<_> =
        scan.problems.iter().map(|p| (p.path.clone(), p.error.to_string())).collect();
    said.sort();
    let text = |path: &str| {
        (bed.at(path), format!("symbolic link outside follow_symlinks: {}", bed.at(path).display()))
    };
    assert_eq!(said, [text("logs/b"), text("logs/evil.log")]);
    assert!(watch.scan().problems.is_empty());
    // Gone and back is news.
    fs::remove_file(bed.at("logs/evil.log")).unwrap();
    watch.scan();
    symlink("/etc/shadow", bed.at("logs/evil.log")).unwrap();
    assert_eq!(watch.scan().problems.len(), 1);
}

#[test]
fn a_trusted_link_is_followed_to_its_file_and_its_rotated_ones() {
    let mut bed = Bed::new(&["containers/*.log"]);
    bed.input.follow_symlinks = vec![bed.at("containers"), bed.at("pods")];
    let real = bed.write("runtime/id/id-json.log");
    fs::create_dir_all(bed.at("pods/p")).unwrap();
    fs::create_dir(bed.at("containers")).unwrap();
    symlink("../../runtime/id/id-json.log", bed.at("pods/p/0.log")).unwrap();
    let link = bed.at("containers/c.log");
    symlink(bed.at("pods/p/0.log"), &link).unwrap();
    let mut watch = bed.watch();
    let found = watch.scan().found;
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].path, found[0].real()), (&link, real.as_path()));
    bed.write("runtime/id/id-json.log");
    wait_touched(&mut watch, &link);
    fs::rename(&real, bed.at("runtime/id/id-json.log.1")).unwrap();
    fs::write(bed.at("runtime/id/id-json.log.2.tmp"), "").unwrap();
    wait_touched(&mut watch, &link);
    // The link leads nowhere now, and is known all the same.
    let siblings = watch.scan().found;
    assert_eq!(siblings, watch.siblings(0, &link).unwrap());
    assert_eq!(siblings.len(), 1);
    assert_eq!(siblings[0].path, bed.at("runtime/id/id-json.log.1"));
    assert_eq!(siblings[0].sibling_of.as_ref(), Some(&link));
    hush(&mut watch);
    watch.scan();
    bed.write("runtime/id/id-json.log");
    wait_touched(&mut watch, &link);
    // One hop that is not trusted is enough.
    bed.input.follow_symlinks = vec![bed.at("containers")];
    let scan = bed.watch().scan();
    assert!(scan.found.is_empty());
    assert!(scan.problems[0].error.to_string().ends_with("pods/p/0.log"));
}

#[test]
fn trusted_links_to_directories_do_not_circle() {
    let mut bed = Bed::new(&["t/**/*.log"]);
    bed.input.follow_symlinks = vec![bed.at("t")];
    bed.write("t/a/x.log");
    bed.write("t/b/y.log");
    bed.write("outside/z.log");
    symlink(bed.at("t"), bed.at("t/a/up")).unwrap();
    symlink(".", bed.at("t/self")).unwrap();
    symlink(bed.at("t/b"), bed.at("t/a/b")).unwrap();
    symlink(bed.at("t/a"), bed.at("t/b/a")).unwrap();
    symlink(bed.at("outside"), bed.at("t/out")).unwrap();
    let found = bed.found(&mut bed.watch());
    let expected = ["t/a/b/y.log", "t/a/x.log", "t/b/a/x.log", "t/b/y.log", "t/out/z.log"];
    assert_eq!(found, expected);
}

#[test]
fn the_written_part_of_a_glob_may_lead_through_links() {
    let bed = Bed::new(&["way/logs/*.log"]);
    bed.write("really/logs/x.log");
    symlink("really", bed.at("way")).unwrap();
    let mut watch = bed.watch();
    let found = watch.scan().found;
    assert_eq!(found[0].path, bed.at("way/logs/x.log"));
    assert_eq!(found[0].real(), bed.at("really/logs/x.log"));
    bed.write("really/logs/x.log");
    wait_touched(&mut watch, &bed.at("way/logs/x.log"));
    bed.write("really/logs/x.log.1");
    let siblings = watch.siblings(0, &bed.at("way/logs/x.log")).unwrap();
    assert_eq!(siblings[0].path, bed.at("way/logs/x.log.1"));
    assert_eq!(siblings[0].real(), bed.at("really/logs/x.log.1"));
    // The link is switched.
    bed.write("other/logs/x.log");
    hush(&mut watch);
    symlink("other", bed.at("new")).unwrap();
    fs::rename(bed.at("new"), bed.at("way")).unwrap();
    wait_rescan(&mut watch);
    assert_eq!(watch.scan().found[0].real(), bed.at("other/logs/x.log"));
}
