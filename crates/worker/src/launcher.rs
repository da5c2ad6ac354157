//! The process that the jobs of an execute worker are forked from.
//!
//! A job begins as a copy of the process that forked it. Were that the worker, the job would hold what the worker has seen: requests and answers of
//! earlier candidates. So the worker forks the launcher before its first request, has it fork the jobs, and gives it descriptors only: the launcher
//! receives an [`Order`] and passes the descriptors on, it reads nothing. The jobs are children of the worker all the same (`CLONE_PARENT`): the
//! worker waits for them, watches their time and ends them.
//!
//! ```text
//! worker ──┬── launcher: an order with descriptors comes in, a process number goes out
//!          └── job, forked by the launcher
//! ```

use crate::job::StartError;
use crate::process::{self, SingleThreaded};
use crate::security::{self, Machine};
use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::unistd::Pid;
use parity_scale_codec::{Decode, DecodeAll, Encode};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Descriptors that go with an order.
pub const DESCRIPTORS: usize = 4;

/// Largest order, encoded.
const ORDER_BYTES: usize = 1024;

/// The two ends of the connection between worker and launcher. Made before the worker puts up its barriers, behind which there are no new
/// sockets.
#[derive(Debug)]
pub struct Ends {
    worker: OwnedFd,
    launcher: OwnedFd,
}

impl Ends {
    /// New ones.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let (worker, launcher) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok(Self { worker, launcher })
    }
}

/// A launcher that was started, for orders of this type.
pub struct Launcher<Order> {
    socket: OwnedFd,
    orders: PhantomData<fn(Order)>,
}

/// What the launcher says of an order: the process number of a job, or the system's answer.
type Launched = Result<i32, i32>;

impl<Order: Encode + Decode> Launcher<Order> {
    /// Forks the launcher. `job` is what a job does with an order and its descriptors; it does not come back. `worker` are descriptors
    /// of the worker that neither shall have.
    ///
    /// # Errors
    /// The system refuses.
    pub fn start(
        ends: Ends,
        machine: &Machine,
        worker: &[RawFd],
        job: impl Fn(Order, [OwnedFd; DESCRIPTORS]),
    ) -> nix::Result<Self> {
        let namespaces = security::launcher_namespaces(machine.status);
        if process::fork(machine.one, namespaces)?.is_none() {
            process::close_inherited(worker);
            process::close_inherited(&[
                libc::STDIN_FILENO,
                libc::STDOUT_FILENO,
                ends.worker.as_raw_fd(),
            ]);
            launch(&ends.launcher, machine, job);
        }
        Ok(Self {
            socket: ends.worker,
            orders: PhantomData,
        })
    }

    /// Has a job forked.
    ///
    /// # Errors
    /// The system refuses, or the launcher is no more.
    pub fn order(
        &self,
        order: &Order,
        descriptors: [BorrowedFd<'_>; DESCRIPTORS],
    ) -> Result<Pid, StartError> {
        let failed = |action| {
            move |errno: rustix::io::Errno| StartError::System {
                action,
                errno: Errno::from_raw(errno.raw_os_error()),
            }
        };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        let message = order.encode();
        sendmsg(
            &self.socket,
            &[IoSlice::new(&message)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )
        .map_err(failed("asking the launcher for a job"))?;
        let mut answer = [0; 16];
        let read = rustix::io::retry_on_intr(|| {
            let answer = &mut [IoSliceMut::new(&mut answer)];
            let mut nothing = RecvAncillaryBuffer::default();
            recvmsg(&self.socket, answer, &mut nothing, RecvFlags::empty())
        })
        .map_err(failed("hearing from the launcher"))?
        .bytes;
        let launched = Launched::decode_all(&mut &answer[..read]);
        match launched.unwrap_or(Err(libc::ECHILD)) {
            Ok(pid) => Ok(Pid::from_raw(pid)),
            Err(errno) => Err(StartError::System {
                action: "starting a job",
                errno: Errno::from_raw(errno),
            }),
        }
    }
}

/// In the launcher: serves the worker until that is gone.
fn launch<Order: Decode>(
    socket: &OwnedFd,
    machine: &Machine,
    job: impl Fn(Order, [OwnedFd; DESCRIPTORS]),
) -> ! {
    if security::die_with_worker().is_err() {
        std::process::exit(1);
    }
    while let Some(received) = receive(socket) {
        let launched = received.and_then(|(order, descriptors)| {
            let errno = |errno: Errno| errno as i32;
            match fork(machine.one, machine).map_err(errno)? {
                Some(pid) => Ok(pid.as_raw()),
                None => {
                    process::close_inherited(&[socket.as_raw_fd()]);
                    job(order, descriptors);
                    std::process::exit(1)
                }
            }
        });
        let answer = launched.encode();
        let sent = rustix::net::send(socket, &answer, SendFlags::NOSIGNAL);
        if sent.is_err() {
            break;
        }
    }
    std::process::exit(0)
}

fn fork(one: SingleThreaded, machine: &Machine) -> nix::Result<Option<Pid>> {
    let new = security::job_namespaces(machine.status)
        .difference(security::launcher_namespaces(machine.status));
    process::fork(one, new | CloneFlags::CLONE_PARENT)
}

/// An order with its descriptors; what the system says if they did not arrive. `None` if the worker is gone.
fn receive<Order: Decode>(
    socket: &OwnedFd,
) -> Option<Result<(Order, [OwnedFd; DESCRIPTORS]), i32>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut message = [0; ORDER_BYTES];
    let received = rustix::io::retry_on_intr(|| {
        let message = &mut [IoSliceMut::new(&mut message)];
        recvmsg(socket.as_fd(), message, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    });
    let received = match received {
        Ok(received) if received.bytes > 0 => received,
        _ => return None,
    };
    let rights = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptors: Vec<OwnedFd> = rights.flatten().collect();
    // What does not fit below the limit of descriptors is left out.
    let descriptors = <[OwnedFd; DESCRIPTORS]>::try_from(descriptors);
    let order = Order::decode_all(&mut &message[..received.bytes]);
    Some(match (order, descriptors) {
        (Ok(order), Ok(descriptors)) if !received.flags.contains(ReturnFlags::CTRUNC) => {
            Ok((order, descriptors))
        }
        (Err(_), _) => Err(libc::EPROTO),
        _ => Err(libc::EMFILE),
    })
}
