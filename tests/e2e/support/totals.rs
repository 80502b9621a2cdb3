//! What a daemon said that it lost, over all its runs.

#[derive(Default)]
pub(crate) struct Totals {
    lost_bytes: u64,
}

impl Totals {
    /// Takes what one run said. One that ended well has summed up itself, and must agree.
    pub(crate) fn add(&mut self, said: &[String]) {
        let losses = said.iter().filter(|line| line.contains("bytes were lost before they could"));
        let lost: u64 = losses.map(|line| field(line, "bytes")).sum();
        if let Some(line) = said.iter().find(|line| line.contains("counted in all")) {
            let reasons = ["truncated", "deleted", "damaged"];
            let counted: u64 =
                reasons.iter().map(|reason| field(line, &format!("lost_{reason}_bytes"))).sum();
            assert_eq!(lost, counted, "{line}");
        }
        self.lost_bytes += lost;
    }

    pub(crate) fn lost_bytes(&self) -> u64 {
        self.lost_bytes
    }
}

/// A counter as a run gave it at its end.
pub(crate) fn counted(said: &[String], name: &str) -> u64 {
    let line = said.iter().find(|line| line.contains("counted in all"));
    field(line.expect("a run that ended well sums up"), name)
}

/// The number that a line of the log gives for `key`.
fn field(line: &str, key: &str) -> u64 {
    let value = line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {key} in: {line}"))
}
