//! Starts the room with what was kept.

use super::*;

pub(super) fn tail(
    input: &Input,
    ending: Ending,
    budget: &Budget,
    heard: &Rc<RefCell<Heard>>,
    kept: &Kept,
) -> Tail<Emit> {
    let mut lineages: BTreeMap<PathBuf, Known> = BTreeMap::new();
    for ((path, generation), place) in &kept.places {
        let known = lineages.entry(path.clone()).or_insert_with(|| Known {
            lineage: Lineage { input: "in".into(), path: path.clone() }.into(),
            next_generation: Generation::FIRST,
            sources: Vec::new(),
        });
        known.next_generation = known.next_generation.max(generation.next());
        known.sources.push(KnownSource {
            generation: *generation,
            identity: place.identity,
            now: Some(place.path.clone()),
            at: place.at(),
            is_gone: place.gone,
        });
    }
    let restored = Restored {
        lineages: lineages.into_values().collect(),
        looked_ms: kept.looked_ms.clone(),
        floor: Generation::FIRST,
    };
    let heard = heard.clone();
    let emit: Emit = Box::new(move |event| heard.borrow_mut().hear(event));
    Tail::new(
        std::slice::from_ref(input),
        restored,
        &Budgets::new(budget.clone(), []),
        ending,
        emit,
    )
}

/// The state of a daemon to which Kafka had acknowledged less than it had read.
pub(in super::super) fn acknowledged(
    mut kept: Kept,
    mut choose: impl FnMut(usize) -> usize,
) -> Kept {
    for place in kept.places.values_mut().filter(|place| !place.gone) {
        let last = place.marks.len() - 1;
        place.marks.truncate(choose(last).min(last) + 1);
    }
    kept
}

impl Kept {
    /// All was looked at once more, long after what has happened to files so far.
    pub(in super::super) fn look_later(&mut self) {
        for ms in self.looked_ms.values_mut() {
            *ms += 3_600_000;
        }
    }

    pub(in super::super) fn looked_ms(&self) -> u64 {
        self.looked_ms.values().copied().max().unwrap_or_default()
    }
}
