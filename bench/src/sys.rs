//! The kernel as the bench uses it: epoll, sockets, clocks, cores. The only file with `unsafe`.
//!
//! The invariant of every call here: pointers come from references that live across the call, with the length that is
//! passed beside them, and descriptors are borrowed from their owners. What the kernel answers is checked.
#![expect(unsafe_code, reason = "system calls that std does not offer; see the invariant above")]

use std::{
    ffi::c_int,
    fs::File,
    io, mem,
    os::{
        fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
        unix::process::CommandExt as _,
    },
    process::Command,
    ptr,
};

/// Readiness to read, and what it is reported as together with an end or an error.
pub(crate) const READABLE: u32 = libc::EPOLLIN.cast_unsigned();
/// Readiness to write.
pub(crate) const WRITABLE: u32 = libc::EPOLLOUT.cast_unsigned();

/// How many events one wait takes from the kernel.
const EVENTS: usize = 1_024;

/// A set of descriptors to wait for, each with a number of the owner's choice.
pub(crate) struct Epoll {
    set: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the descriptor is new and owned by nobody else.
        let set = unsafe { owned(libc::epoll_create1(libc::EPOLL_CLOEXEC))? };
        Ok(Self { set, events: vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS] })
    }

    pub(crate) fn add(&self, fd: BorrowedFd<'_>, interest: u32, number: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, interest, number)
    }

    pub(crate) fn change(&self, fd: BorrowedFd<'_>, interest: u32, number: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, interest, number)
    }

    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, 0)
    }

    fn control(&self, op: c_int, fd: BorrowedFd<'_>, events: u32, number: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: number };
        let (set, fd) = (self.set.as_raw_fd(), fd.as_raw_fd());
        // SAFETY: `event` outlives the call.
        check(unsafe { libc::epoll_ctl(set, op, fd, &raw mut event) }).map(drop)
    }

    /// Waits for at most so many milliseconds and answers how many events came.
    pub(crate) fn wait(&mut self, millis: i32) -> io::Result<usize> {
        let set = self.set.as_raw_fd();
        let room = c_int::try_from(self.events.len()).unwrap_or(c_int::MAX);
        // SAFETY: the kernel writes at most `room` events into the vector of that length.
        let came = unsafe { libc::epoll_wait(set, self.events.as_mut_ptr(), room, millis) };
        match check(came) {
            Ok(came) => Ok(usize::try_from(came).unwrap_or(0)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// An event of the last wait: its number and what is ready.
    pub(crate) fn event(&self, index: usize) -> Option<(u64, u32)> {
        self.events.get(index).map(|event| (event.u64, event.events))
    }
}

/// Accepts one connection, non-blocking; none when nobody waits.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let (address, length) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the kernel takes null pointers as "no address wanted"; the descriptor is new.
    match unsafe { owned(libc::accept4(listener.as_raw_fd(), address, length, flags)) } {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes what the socket takes now, without a signal when the peer is gone.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let (fd, data) = (socket.as_raw_fd(), bytes.as_ptr().cast());
    // SAFETY: the kernel reads at most `bytes.len()` bytes from the slice.
    let sent = unsafe { libc::send(fd, data, bytes.len(), libc::MSG_NOSIGNAL) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Reads what has come, up to the buffer's length; 0 is the end.
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    let (fd, data) = (socket.as_raw_fd(), buffer.as_mut_ptr().cast());
    // SAFETY: the kernel writes at most `buffer.len()` bytes into the slice.
    let came = unsafe { libc::recv(fd, data, buffer.len(), 0) };
    usize::try_from(came).map_err(|_| io::Error::last_os_error())
}

/// Lets `bind` to an address leave the port open until `connect`: then every server has all ports to itself.
pub(crate) fn bind_address_only(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: c_int = 1;
    let length = libc::socklen_t::try_from(size_of::<c_int>()).unwrap_or(0);
    let (level, name) = (libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT);
    let fd = socket.as_raw_fd();
    // SAFETY: the value is an int that outlives the call, and its length is given.
    check(unsafe { libc::setsockopt(fd, level, name, (&raw const on).cast(), length) }).map(drop)
}

/// `CLOCK_MONOTONIC` in nanoseconds: one clock for all processes of the machine.
pub(crate) fn monotonic_nanos() -> u64 {
    read_clock(libc::CLOCK_MONOTONIC).unwrap_or(0)
}

/// The CPU time that the calling thread has used, in nanoseconds.
pub(crate) fn thread_cpu_nanos() -> u64 {
    read_clock(libc::CLOCK_THREAD_CPUTIME_ID).unwrap_or(0)
}

/// The CPU time that a process has used, in nanoseconds: all its threads, those that have ended included.
pub(crate) fn process_cpu_nanos(pid: i32) -> io::Result<u64> {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: `clock` outlives the call.
    match unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) } {
        0 => read_clock(clock),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

fn read_clock(clock: libc::clockid_t) -> io::Result<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` outlives the call.
    check(unsafe { libc::clock_gettime(clock, &raw mut time) })?;
    let (seconds, nanos) = (time.tv_sec.cast_unsigned(), time.tv_nsec.cast_unsigned());
    Ok(seconds * 1_000_000_000 + nanos)
}

/// Takes a file that is on the disk out of the system's memory.
pub(crate) fn forget_cached(file: &File) -> io::Result<()> {
    // SAFETY: no pointers.
    match unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Sends a signal to one process; whether it was there.
pub(crate) fn signal(pid: i32, signal: c_int) -> bool {
    // SAFETY: no pointers.
    pid > 1 && unsafe { libc::kill(pid, signal) } == 0
}

/// Keeps the calling thread, and what it starts, on these cores.
pub(crate) fn pin(cores: &[usize]) -> io::Result<()> {
    // SAFETY: a set of cores is plain bits, and none set is a valid one.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    let room = 8 * size_of::<libc::cpu_set_t>();
    for core in cores.iter().filter(|core| **core < room) {
        // SAFETY: the core's bit lies in the set.
        unsafe { libc::CPU_SET(*core, &mut set) };
    }
    // SAFETY: `set` outlives the call and has the size that is given.
    check(unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) }).map(drop)
}

/// Makes a command run on these cores alone and end when this program does.
pub(crate) fn confine(command: &mut Command, cores: &[usize]) {
    let cores = cores.to_vec();
    let prepare = move || {
        pin(&cores)?;
        // SAFETY: no pointers.
        check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) }).map(drop)
    };
    // SAFETY: between fork and exec it makes two system calls and allocates nothing.
    unsafe { command.pre_exec(prepare) };
}

/// Raises the limit of open descriptors as far as the system lets, and answers it.
pub(crate) fn raise_descriptors() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` outlives both calls.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    Ok(limit.rlim_cur)
}

/// Takes ownership of a descriptor that the kernel has just made.
///
/// # Safety
/// Nobody else may own it.
unsafe fn owned(fd: RawFd) -> io::Result<OwnedFd> {
    check(fd)?;
    // SAFETY: the caller's promise.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn check(answer: c_int) -> io::Result<c_int> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}
