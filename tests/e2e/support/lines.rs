//! Lines that carry their file's name and number and whose every byte can be told in advance, so
//! that a reader can prove that none is lost, moved, repeated or damaged.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::OnceLock;

use super::dice::Dice;

/// What a line has on average, its end included.
pub(crate) const MEAN_BYTES: u64 = 170;

const POOL: usize = 1024;
const NOISE_BYTES: usize = 200;

/// `FILE NUMBER PAYLOAD`, without its end.
pub(crate) fn line(file: &str, number: u64) -> String {
    format!("{file} {number:010} {}", payload(file, number))
}

pub(crate) fn lines(file: &str, numbers: std::ops::Range<u64>) -> String {
    let mut text = String::new();
    for number in numbers {
        writeln!(text, "{}", line(file, number)).expect("a string takes all");
    }
    text
}

/// What a line says of itself.
pub(crate) struct Parsed<'l> {
    pub(crate) file: &'l str,
    pub(crate) number: u64,
    /// The rest is as `line` made it.
    pub(crate) whole: bool,
}

/// `None` for what `line` cannot have made.
pub(crate) fn parse(bytes: &[u8]) -> Option<Parsed<'_>> {
    let mut parts = std::str::from_utf8(bytes).ok()?.splitn(3, ' ');
    let (file, number) = (parts.next()?, parts.next()?.parse().ok()?);
    Some(Parsed { file, number, whole: parts.next() == Some(&*payload(file, number)) })
}

/// A log of this name has lines that no compression makes much smaller.
pub(crate) fn is_noise(file: &str) -> bool {
    file.starts_with("noise")
}

/// What a line of a log `wideN-...` has, its end included.
fn width(file: &str) -> Option<usize> {
    file.strip_prefix("wide")?.split_once('-')?.0.parse().ok()
}

fn payload(file: &str, number: u64) -> Cow<'static, str> {
    static TEXTS: OnceLock<Vec<String>> = OnceLock::new();
    let texts = TEXTS.get_or_init(|| {
        let mut dice = Dice::with_seed(7);
        (0..POOL).map(|_| text(&mut dice)).collect()
    });
    let (is_noise, width) = (is_noise(file), width(file).map(|width| width - file.len() - 13));
    let file = file.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    if is_noise {
        return Cow::Owned(Dice::with_seed(file ^ (number << 20)).noise(NOISE_BYTES));
    }
    let pick = file.wrapping_add(number.wrapping_mul(7919)) % POOL as u64;
    let pick = usize::try_from(pick).expect("below POOL");
    let Some(width) = width else { return Cow::Borrowed(&texts[pick]) };
    let mut text = String::with_capacity(width + NOISE_BYTES);
    for part in texts.iter().cycle().skip(pick) {
        if text.len() >= width {
            break;
        }
        text.push_str(part);
    }
    text.truncate(width);
    Cow::Owned(text)
}

/// Words and numbers as logs have them: compresses about as well.
fn text(dice: &mut Dice) -> String {
    const WORDS: [&str; 16] = [
        "request", "served", "from", "cache", "upstream", "timeout", "user", "session", "order",
        "retry", "queue", "shard", "peer", "token", "offset", "leader",
    ];
    let length = usize::try_from(dice.between(105, 200)).expect("small");
    let mut text = String::new();
    while text.len() < length {
        let word = WORDS[usize::try_from(dice.next() % 16).expect("small")];
        write!(text, "{word}={} ", dice.between(1, 100_000)).expect("a string takes all");
    }
    text.truncate(length);
    text
}
