//! How much memory a test holds: an allocator that counts what each thread has allocated and not given back.
//!
//! A test's runtime has one thread, which is the test's own, so the count is the server's and its clients' memory
//! and no other test's.
#![expect(unsafe_code, reason = "only an allocator sees every allocation")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD_BYTES: Cell<isize> = const { Cell::new(0) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

/// What this thread has allocated and not given back, in bytes.
pub(crate) fn held_bytes() -> isize {
    HELD_BYTES.get()
}

fn count(bytes: usize, sign: isize) {
    // A thread that is ending has no count any more, and nobody asks for it.
    let _ending = HELD_BYTES.try_with(|held| held.set(held.get() + sign * bytes.cast_signed()));
}

// SAFETY: every call is passed on to the system's allocator as it is; the count is a thread-local without a destructor
// or lazy initialisation, so counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the caller's promise is passed on, and `alloc` had the pointer from the same allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}
