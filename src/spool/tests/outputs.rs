//! Lines of several outputs in one spool.

use super::*;

const MIB: u64 = 1 << 20;

/// A backlog is its output's, and nobody else's, whatever is found where.
#[test]
fn outputs_keep_their_lines_apart() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let audit = Lane { output: settings::Output::named("audit"), ..lane(1) };
    let ids = [lane(1), audit.clone()].map(|lane| stepped.spool.lane(lane));
    stepped.spool.stage(whole(ids[0], &block(0, 0, &[b"for kafka"])));
    stepped.spool.stage(whole(ids[1], &block(0, 0, &[b"for audit"])));
    stepped.turn();
    drop(stepped);
    for has_index in [true, false] {
        if !has_index {
            fs::remove_dir_all(dir.path().join("state")).unwrap();
        }
        let mut stepped = Stepped::open(dir.path(), MIB);
        for (lane, line) in [(lane(1), b"for kafka"), (audit.clone(), b"for audit")] {
            let id = stepped.spool.lane(lane);
            let (entries, _) = stepped.replay(id);
            let found: Vec<_> = entries.iter().flat_map(contents).map(|(line, _)| line).collect();
            assert_eq!(found, [line.to_vec()]);
        }
    }
}
