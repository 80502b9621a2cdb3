//! Which partition a lineage goes to.

use std::os::unix::ffi::OsStrExt as _;

use crate::record::Lineage;

/// The partition of everything that a lineage sends, out of `count`: host, input and path as
/// matched decide, so that a rotated file and its successor share one.
pub fn of_lineage(host: &str, lineage: &Lineage, count: u32) -> i32 {
    let mut key = Vec::with_capacity(256);
    for part in [host.as_bytes(), lineage.input.as_bytes(), lineage.path.as_os_str().as_bytes()] {
        key.extend_from_slice(part);
        // No name holds a NUL, so no two lineages make the same key.
        key.push(0);
    }
    of_key(&key, count)
}

/// Kafka's own choice for a record with this key: the Java client's default partitioner.
pub fn of_key(key: &[u8], count: u32) -> i32 {
    let partition = (murmur2(key) & 0x7fff_ffff) % count.max(1);
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

#[cfg(test)]
mod tests {
    use super::*;

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
