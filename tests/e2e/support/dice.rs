//! Randomness that can be thrown again: the seed is printed, `TAILSPOOL_SEED` repeats it.

use tailspool::clock;

/// `SplitMix64` (Steele, Lea, Flood 2014).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn with_seed(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn thrown_for(test: &str) -> Self {
        let given = std::env::var("TAILSPOOL_SEED").ok();
        let seed = given
            .map_or_else(clock::wall_ms, |text| text.parse().expect("TAILSPOOL_SEED is a number"));
        println!("{test}: TAILSPOOL_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// At least `low`, below `high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low)
    }

    /// Text that no compression makes smaller than three quarters: six random bits a byte.
    pub(crate) fn noise(&mut self, length: usize) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        (0..length)
            .map(|_| char::from(DIGITS[usize::try_from(self.next() % 64).expect("small")]))
            .collect()
    }
}
