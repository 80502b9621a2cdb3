//! Lines as logs have them, each with the name of its log and its number in it.

use xxhash_rust::xxh3::xxh3_64;

/// What a log is about; decides what its lines look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Web,
    App,
    Worker,
    Payments,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Web, Self::App, Self::Worker, Self::Payments];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Web => "web.log",
            Self::App => "app.log",
            Self::Worker => "worker.log",
            Self::Payments => "payments.log",
        }
    }
}

/// What tells a line from all others.
pub(super) fn hash(line: &[u8]) -> u64 {
    xxh3_64(line)
}

/// Line `number` of a log, about 170 bytes, without its end.
pub(super) fn compose(kind: Kind, number: u64, time: &str) -> String {
    let mut dice = Dice(number ^ hash(kind.name().as_bytes()));
    let id = format!("{}#{number}", kind.name());
    match kind {
        Kind::Web => web(time, &mut dice, &id),
        Kind::App => app(time, &mut dice, &id),
        Kind::Worker => worker(time, &mut dice, &id),
        Kind::Payments => payments(time, &mut dice, &id),
    }
}

/// The log's name and the line's number, if the line says them.
pub(super) fn parse(line: &[u8]) -> Option<(&str, u64)> {
    let at = memchr::memrchr(b'#', line)?;
    let (before, after) = line.split_at_checked(at)?;
    let from = before.iter().rposition(|byte| matches!(byte, b' ' | b'"')).map_or(0, |at| at + 1);
    let name = str::from_utf8(before.get(from..)?).ok()?;
    let digits = after.get(1..)?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let number = str::from_utf8(digits.get(..end)?).ok()?.parse().ok()?;
    Some((name, number))
}

fn web(time: &str, dice: &mut Dice, id: &str) -> String {
    let method = dice.pick(&["GET", "GET", "GET", "GET", "POST", "HEAD"]);
    let page = dice.pick(&["products", "search", "cart", "account", "static/img"]);
    let status = dice.pick(&["200", "200", "200", "200", "304", "302", "404", "500"]);
    let agent = dice.pick(&[
        "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0",
        "Mozilla/5.0 (Windows NT 10.0) Chrome/126.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5)",
    ]);
    let (host, visitor) = (dice.below(254), dice.below(254));
    let (item, bytes, took_ms) = (dice.below(100_000), dice.below(90_000), dice.below(900));
    format!(
        r#"203.0.{host}.{visitor} - - [{time}] "{method} /{page}/{item}?ref=newsletter HTTP/1.1" {status} {bytes} "-" "{agent}" {took_ms}ms {id}"#
    )
}

fn app(time: &str, dice: &mut Dice, id: &str) -> String {
    let level = dice.pick(&["INFO ", "INFO ", "INFO ", "DEBUG", "WARN "]);
    let what = dice.pick(&["order placed", "stock reserved", "cart merged", "price recalculated"]);
    let (order, customer) = (dice.below(9_000_000), dice.below(400_000));
    let (items, took_ms, trace) = (dice.below(30), dice.below(2000), dice.next());
    format!(
        "{time} {level} [http-worker-{}] shop.checkout: {what} order={order} customer={customer} items={items} took={took_ms}ms trace={trace:016x} {id}",
        dice.below(16)
    )
}

fn worker(time: &str, dice: &mut Dice, id: &str) -> String {
    let level = dice.pick(&["info", "info", "info", "warning", "error"]);
    let job = dice.pick(&["send_invoice", "resize_image", "sync_stock", "expire_sessions"]);
    let (attempt, took, job_id) = (dice.below(5), dice.below(60_000), dice.next());
    format!(
        "{time} level={level} msg=\"job finished\" job={job} job_id={job_id:016x} queue=default attempt={attempt} duration_ms={took} rss_kb={} {id}",
        40_000 + dice.below(90_000)
    )
}

fn payments(time: &str, dice: &mut Dice, id: &str) -> String {
    let result = dice.pick(&["authorised", "authorised", "captured", "declined", "refunded"]);
    let currency = dice.pick(&["EUR", "USD", "GBP", "CHF"]);
    let (euros, cents) = (dice.below(500), dice.below(100));
    format!(
        r#"{{"time":"{time}","level":"info","event":"payment {result}","amount":"{euros}.{cents:02}","currency":"{currency}","reference":"{:016x}","id":"{id}"}}"#,
        dice.next()
    )
}

/// Numbers that look random and are the same each time: `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick(&mut self, words: &[&'static str]) -> &'static str {
        let at = usize::try_from(self.below(words.len() as u64)).unwrap_or_default();
        words.get(at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_where_it_is_from() {
        for kind in Kind::ALL {
            let line = compose(kind, 4711, "2026-03-01T12:30:00.250Z");
            assert_eq!(parse(line.as_bytes()), Some((kind.name(), 4711)), "{line}");
            assert!((130..230).contains(&line.len()), "{} bytes: {line}", line.len());
        }
        assert_eq!(parse(b"something else"), None);
        assert_eq!(parse(b"#"), None);
        assert_eq!(parse(b"web.log#12x"), Some(("web.log", 12)));
        assert_eq!(parse(b"web.log#99999999999999999999999"), None);
    }
}
