//! placeholder
use super::DemoArgs;
use super::exit::{Exit, Failure};
pub(super) fn demo(_args: &DemoArgs) -> Result<Exit, Failure> {
    Ok(Exit::Bug)
}
