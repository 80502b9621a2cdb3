//! Certificates, and until when they hold.

use std::path::Path;

use crate::checkup::{Findings, Verdict};
use crate::produce::{Certificate, certificates_in, certificates_of};
use crate::settings::Kafka;

/// A certificate that ends sooner is to be renewed.
const RENEWAL_DAYS: i64 = 30;

/// Ours, and those of whom we trust.
pub(super) fn own(kafka: &Kafka, findings: &mut Findings) {
    let given = |name| kafka.security.get(name).map(|value| (name, value));
    let files = ["ssl.certificate.location", "ssl.ca.location", "https.ca.location"];
    let files = files.into_iter().filter_map(given);
    let files = files.map(|(_, path)| (path, certificates_in(Path::new(path))));
    let texts = ["ssl.certificate.pem", "ssl.ca.pem", "https.ca.pem"];
    let texts = texts.into_iter().filter_map(given);
    let texts = texts.map(|(name, pem)| (name, certificates_of(pem.as_bytes())));
    for (whose, found) in files.chain(texts) {
        match found {
            Ok(chain) => {
                for certificate in chain {
                    expiry(&format!("{whose}: certificate"), &certificate, findings);
                }
            }
            Err(error) => findings.note(Verdict::Wrong, format!("{whose}: {error}")),
        }
    }
}

/// Whether it holds, and for how long.
pub(super) fn expiry(whose: &str, certificate: &Certificate, findings: &mut Findings) {
    let Certificate { subject, not_after, is_early, .. } = certificate;
    let what = format!("{whose} {subject}");
    match certificate.days_left() {
        _ if *is_early => findings.advise(
            Verdict::Wrong,
            format!("{what}: not valid yet"),
            "see whether the clock of this machine is right",
        ),
        ..0 => {
            findings.advise(Verdict::Wrong, format!("{what}: expired on {not_after}"), "renew it");
        }
        days_left @ 0..RENEWAL_DAYS => findings.advise(
            Verdict::Warning,
            format!("{what}: expires in {days_left} days, on {not_after}"),
            "renew it",
        ),
        _ => findings.note(Verdict::Fine, format!("{what}: valid until {not_after}")),
    }
}
