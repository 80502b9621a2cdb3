//! What a bench is asked for on its command line.

pub(crate) fn is_asked(option: &str) -> bool {
    std::env::args().any(|argument| argument == option)
}

pub(crate) fn text(option: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != option).nth(1)
}

pub(crate) fn number(option: &str, default: u64) -> u64 {
    text(option).map_or(default, |text| text.parse().expect("a number"))
}
