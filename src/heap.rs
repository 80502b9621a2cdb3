//! Keeps glibc's heap from growing with the number of threads, and from keeping what was freed.

#![allow(unsafe_code, reason = "calls into the C library, which say what they rely on")]

/// How many heaps threads share. Blocks are allocated by the reader and freed by whoever settles
/// them; with one heap for each thread (the default is eight for each core) what one frees
/// another cannot use: 6 of 67 MB in an outage of twenty lanes.
#[cfg(target_env = "gnu")]
const ARENAS_MAX: libc::c_int = 2;

/// What is as long as this goes back to the system once it is freed. Left alone, glibc raises
/// its threshold to what was freed last; and what is freed in the middle of a heap stays there.
/// Longer than what is read at a time, so that reading does not ask the system for memory.
#[cfg(target_env = "gnu")]
const APART_BYTES: libc::c_int = 2 << 20;
/// So much may be free at the end of a heap; twice the other, as glibc has it.
#[cfg(target_env = "gnu")]
const FREE_AT_END_BYTES: libc::c_int = 2 * APART_BYTES;

/// To be called before there are threads.
pub fn share() {
    #[cfg(target_env = "gnu")]
    for (option, value) in [
        (libc::M_ARENA_MAX, ARENAS_MAX),
        (libc::M_MMAP_THRESHOLD, APART_BYTES),
        (libc::M_TRIM_THRESHOLD, FREE_AT_END_BYTES),
    ] {
        // SAFETY: mallopt takes two integers, and only this thread runs yet.
        let is_set = unsafe { libc::mallopt(option, value) };
        debug_assert_eq!(is_set, 1, "glibc knows option {option}");
    }
}

/// Gives what was freed back to the system. Takes milliseconds where very much was: for after a
/// start, and for now and then.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes one integer, and may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
