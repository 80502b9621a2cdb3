//! Which partition a record goes to.

use std::num::NonZeroU32;
use std::os::unix::ffi::OsStrExt as _;

use crate::record::Lineage;
use crate::settings::Partition;

/// The partition of everything that a lineage sends, out of `count`: host, input and path as
/// matched decide, so that a rotated file and its successor share one.
pub fn of_lineage(host: &str, lineage: &Lineage, count: NonZeroU32) -> i32 {
    let mut key = Vec::with_capacity(256);
    for part in [host.as_bytes(), lineage.input.as_bytes(), lineage.path.as_os_str().as_bytes()] {
        key.extend_from_slice(part);
        // No name holds a NUL, so no two lineages make the same key.
        key.push(0);
    }
    of_key(&key, count)
}

/// Kafka's own choice for a record with this key: the Java client's default partitioner.
pub fn of_key(key: &[u8], count: NonZeroU32) -> i32 {
    let partition = (murmur2(key) & 0x7fff_ffff) % count;
    i32::try_from(partition).unwrap_or_default()
}

/// Murmur 2 in the 32-bit form of `org.apache.kafka.common.utils.Utils`.
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    #[allow(clippy::cast_possible_truncation, reason = "keys are far below 4 GiB")]
    let mut hash = 0x9747_b28c ^ bytes.len() as u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// Chooses among the partitions of one topic where any will do.
#[derive(Debug)]
pub struct Spread {
    /// What `sticky` stays with, and the bytes that went there.
    stuck: Option<(i32, usize)>,
    /// As much as makes a batch.
    stuck_bytes: usize,
    /// Where `round_robin` went last.
    turn: Option<i32>,
    dice: u64,
}

impl Spread {
    /// `seed`: so that all daemons do not begin with the same.
    pub fn new(seed: u64, batch_bytes: usize) -> Self {
        // Nothing comes of zero.
        Self { stuck: None, stuck_bytes: batch_bytes, turn: None, dice: seed | 1 }
    }

    /// Where the next `bytes` go, out of `count`; what does not fit only if none does.
    pub fn choose(
        &mut self,
        rule: Partition,
        count: NonZeroU32,
        bytes: usize,
        fits: impl Fn(i32) -> bool,
    ) -> i32 {
        let all = 0..i32::try_from(count.get()).unwrap_or(i32::MAX);
        let mut fitting: Vec<i32> = all.clone().filter(|number| fits(*number)).collect();
        if fitting.is_empty() {
            fitting.extend(all);
        }
        match rule {
            Partition::Sticky => self.stick(&mut fitting, bytes),
            Partition::RoundRobin => self.next_in_turn(&fitting),
            Partition::Random | Partition::File | Partition::Key | Partition::Number(_) => {
                self.any_of(&fitting)
            }
        }
    }

    fn stick(&mut self, fitting: &mut Vec<i32>, bytes: usize) -> i32 {
        if let Some((number, sent)) = &mut self.stuck {
            if *sent < self.stuck_bytes && fitting.contains(number) {
                *sent += bytes;
                return *number;
            }
            if fitting.len() > 1 {
                fitting.retain(|other| other != number);
            }
        }
        let number = self.any_of(fitting);
        self.stuck = Some((number, bytes));
        number
    }

    fn next_in_turn(&mut self, fitting: &[i32]) -> i32 {
        let after = |last: i32| fitting.iter().copied().find(|number| *number > last);
        let number = self.turn.and_then(after).or(fitting.first().copied()).unwrap_or_default();
        self.turn = Some(number);
        number
    }

    /// By xorshift, which is chance enough.
    fn any_of(&mut self, numbers: &[i32]) -> i32 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        // The upper half is the better one.
        let at = usize::try_from(self.dice >> 32).unwrap_or_default() % numbers.len().max(1);
        numbers.get(at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where blocks of 100 bytes go.
    fn chosen(rule: Partition, count: u32, fits: impl Fn(i32) -> bool) -> Vec<i32> {
        let (mut spread, count) = (Spread::new(7, 300), NonZeroU32::new(count).unwrap());
        (0..600).map(|_| spread.choose(rule, count, 100, &fits)).collect()
    }

    const ANY: [Partition; 3] = [Partition::Sticky, Partition::RoundRobin, Partition::Random];

    #[test]
    fn every_partition_gets_its_share() {
        for rule in ANY {
            let chosen = chosen(rule, 4, |_| true);
            for number in 0..4 {
                let share = chosen.iter().filter(|it| **it == number).count();
                assert!((75..=225).contains(&share), "{rule:?}: {share} of 600 go to {number}");
            }
        }
    }

    #[test]
    fn sticky_stays_for_a_batch_and_then_goes_elsewhere() {
        let chosen = chosen(Partition::Sticky, 4, |_| true);
        for (batch, next) in chosen.chunks(3).zip(chosen.chunks(3).skip(1)) {
            assert_eq!(batch, [batch[0]; 3]);
            assert_ne!(batch[0], next[0]);
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out_unless_nothing_fits() {
        for rule in ANY {
            assert!(!chosen(rule, 4, |number| number != 2).contains(&2), "{rule:?}");
            assert!(chosen(rule, 4, |_| false).contains(&2), "{rule:?}");
            assert_eq!(chosen(rule, 1, |_| true), [0; 600], "{rule:?}");
        }
        let turns = chosen(Partition::RoundRobin, 4, |number| number != 2);
        assert_eq!(turns[..6], [0, 1, 3, 0, 1, 3]);
    }

    #[test]
    fn a_partition_that_is_gone_is_left() {
        for rule in ANY {
            let mut spread = Spread::new(7, 300);
            let [nine, two] = [9, 2].map(|count| NonZeroU32::new(count).unwrap());
            for _ in 0..20 {
                spread.choose(rule, nine, 100, |_| true);
            }
            for _ in 0..20 {
                assert!(spread.choose(rule, two, 100, |_| true) < 2, "{rule:?}");
            }
        }
    }

    /// From Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn murmur2_is_kafkas() {
        let known: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ];
        for (key, hash) in known {
            assert_eq!(murmur2(key).cast_signed(), hash, "{}", key.escape_ascii());
        }
    }
}
