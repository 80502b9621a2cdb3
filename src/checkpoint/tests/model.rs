//! Random changes, failed saves, rewrites and crashes against a plain map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Known { source: SourceId, ino: u64 },
    Moved { source: SourceId, accepted: u64, acknowledged: u64 },
    Gone { source: SourceId, at_ms: u64 },
    Looked { input: String, at_ms: u64 },
    Counted { source: SourceId },
    Forget { source: SourceId },
    Save,
    SaveFails,
    Rewrite,
    Crash,
}

fn a_source() -> impl Strategy<Value = SourceId> {
    (0..3_u32, 0..4_u64).prop_map(|(lineage, generation)| source(lineage, generation))
}

fn step() -> impl Strategy<Value = Step> {
    let places = (a_source(), 0..99_u64, 0..99_u64);
    let recent = crate::clock::wall_ms();
    prop_oneof![
        4 => (a_source(), 0..9_u64).prop_map(|(source, ino)| Step::Known { source, ino }),
        6 => places.prop_map(|(source, a, b)| Step::Moved {
            source,
            accepted: a.max(b),
            acknowledged: a.min(b)
        }),
        1 => (a_source(), 0..9_u64)
            .prop_map(move |(source, n)| Step::Gone { source, at_ms: recent + n }),
        1 => ("[ab]", any::<u64>()).prop_map(|(input, at_ms)| Step::Looked { input, at_ms }),
        1 => a_source().prop_map(|source| Step::Counted { source }),
        1 => a_source().prop_map(|source| Step::Forget { source }),
        5 => Just(Step::Save),
        1 => Just(Step::SaveFails),
        1 => Just(Step::Rewrite),
        2 => Just(Step::Crash),
    ]
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    sources: BTreeMap<SourceId, Saved>,
    looks: BTreeMap<String, u64>,
    /// The highest number given out, by lineage.
    used: BTreeMap<LineageId, Generation>,
}

fn path(source: SourceId) -> String {
    format!("/log/{}", source.lineage.0)
}

impl Model {
    /// Applies a step; the change that says the same, if there is one that may be said.
    fn apply(&mut self, step: &Step) -> Option<Change> {
        match step.clone() {
            Step::Known { source, ino } => {
                let lineage = lineage(&path(source));
                let fresh = Saved {
                    lineage: lineage.clone().into(),
                    generation: source.generation,
                    identity: identity(ino),
                    path: PathBuf::from("/somewhere"),
                    accepted: Mark::START,
                    acknowledged: Mark::START,
                    seen_ms: ino,
                    gone_ms: None,
                };
                let saved = self.sources.entry(source).or_insert_with(|| fresh.clone());
                (saved.identity, saved.seen_ms, saved.gone_ms) = (identity(ino), ino, None);
                self.use_number(source);
                let Saved { identity, path, .. } = fresh;
                Some(Change::Known {
                    source,
                    lineage: lineage.into(),
                    identity,
                    path,
                    seen_ms: ino,
                })
            }
            Step::Moved { source, accepted, acknowledged } => {
                let saved = self.sources.get_mut(&source)?;
                (saved.accepted, saved.acknowledged) = (mark(accepted), mark(acknowledged));
                Some(moved(source, accepted, acknowledged))
            }
            Step::Gone { source, at_ms } => {
                if let Some(saved) = self.sources.get_mut(&source) {
                    saved.gone_ms.get_or_insert(at_ms);
                }
                Some(gone(source, &path(source), at_ms))
            }
            Step::Looked { input, at_ms } => {
                self.looks.insert(input.clone(), at_ms);
                Some(Change::Looked { input, at_ms })
            }
            Step::Counted { source } => {
                self.use_number(source);
                let next = source.generation.next();
                Some(Change::Counted { lineage: lineage(&path(source)), next })
            }
            Step::Forget { source } => {
                self.sources.remove(&source);
                self.use_number(source);
                let lineage = lineage(&path(source));
                Some(Change::Forget { lineage, generation: source.generation })
            }
            Step::Save | Step::SaveFails | Step::Rewrite | Step::Crash => None,
        }
    }

    fn use_number(&mut self, source: SourceId) {
        let used = self.used.entry(source.lineage).or_insert(source.generation);
        *used = source.generation.max(*used);
    }

    fn check(&self, restored: &Restored) {
        assert_eq!(restored.sources, self.sources.values().cloned().collect::<Vec<_>>());
        assert_eq!(restored.looks, self.looks);
        assert_eq!(restored.damaged_lines, 0);
        for (id, used) in &self.used {
            let lineage = lineage(&format!("/log/{}", id.0));
            assert!(restored.next_generation(&lineage) > *used, "{lineage} {used:?}");
        }
    }
}

/// After a restart each source is known before it moves.
fn introduce(checkpoints: &mut Checkpoints, model: &Model) {
    for (source, saved) in &model.sources {
        let Saved { lineage, identity, path, seen_ms, gone_ms, .. } = saved.clone();
        let lineage_path = self::path(*source);
        let known = Change::Known { source: *source, lineage, identity, path, seen_ms };
        checkpoints.apply([known]);
        if let Some(at_ms) = gone_ms {
            checkpoints.apply([gone(*source, &lineage_path, at_ms)]);
        }
    }
}

fn run(steps: &[Step]) {
    let dir = tempfile::tempdir().unwrap();
    let (mut checkpoints, _) = open(&dir);
    let (mut model, mut durable) = (Model::default(), Model::default());
    for step in steps {
        checkpoints.apply(model.apply(step));
        match step {
            Step::Save => {
                checkpoints.flush().unwrap();
                durable = model.clone();
            }
            Step::SaveFails if !checkpoints.is_saved() && !checkpoints.log().must_rewrite() => {
                let path = log_path(&dir);
                checkpoints.log().file().break_off(&path, b"0123abcd {\"source\":{\"inp");
                checkpoints.flush().unwrap_err();
                checkpoints.log().file().mend(&path);
            }
            Step::Rewrite => checkpoints.log().supersede(),
            Step::Crash => {
                drop(checkpoints);
                let (opened, restored) = open(&dir);
                durable.check(&restored);
                (checkpoints, model) = (opened, durable.clone());
                introduce(&mut checkpoints, &model);
            }
            Step::Known { .. }
            | Step::Moved { .. }
            | Step::Gone { .. }
            | Step::Looked { .. }
            | Step::Counted { .. }
            | Step::Forget { .. }
            | Step::SaveFails => {}
        }
    }
    checkpoints.flush().unwrap();
    drop(checkpoints);
    model.check(&open(&dir).1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_restored_is_what_was_saved_last(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        run(&steps);
    }
}
