//! Keeps glibc's heap from growing with the number of threads.

#![allow(unsafe_code, reason = "one call into the C library, which says what it relies on")]

/// How many heaps threads share. Blocks are allocated by the reader and freed by whoever settles
/// them; with one heap for each thread (the default is eight for each core) what one frees
/// another cannot use: 6 of 67 MB in an outage of twenty lanes.
#[cfg(target_env = "gnu")]
const ARENAS_MAX: i32 = 2;

/// To be called before there are threads.
pub(super) fn share() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two integers, and only this thread runs yet.
    let is_set = unsafe { libc::mallopt(libc::M_ARENA_MAX, ARENAS_MAX) };
    #[cfg(target_env = "gnu")]
    debug_assert_eq!(is_set, 1, "glibc knows M_ARENA_MAX");
}
