//! Counts what a thread allocates, so that cost can be compared without a clock. Tests run on threads of their own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static LIVE_BYTES: Cell<isize> = const { Cell::new(0) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

#[expect(
    unsafe_code,
    reason = "an allocator is unsafe to write; this one hands all on to the system's"
)]
// SAFETY: every call goes to the system's allocator as it came, so its contract is kept. The counters allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size().cast_signed());
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, -layout.size().cast_signed());
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(1, new_size.cast_signed() - layout.size().cast_signed());
        // SAFETY: the caller's promise is the same.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

fn count(calls: usize, bytes: isize) {
    // A thread that ends has no counters any more, and no test that reads them.
    CALLS.try_with(|all| all.set(all.get() + calls)).ok();
    LIVE_BYTES.try_with(|all| all.set(all.get() + bytes)).ok();
}

/// What something allocated: how often, and how many bytes of it are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allocated {
    pub(crate) calls: usize,
    pub(crate) live_bytes: isize,
}

/// Counts what `work` allocates on this thread.
pub(crate) fn allocated<T>(work: impl FnOnce() -> T) -> (T, Allocated) {
    let (calls, bytes) = (CALLS.get(), LIVE_BYTES.get());
    let done = work();
    (done, Allocated { calls: CALLS.get() - calls, live_bytes: LIVE_BYTES.get() - bytes })
}
