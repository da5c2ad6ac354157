//! The launcher: the process that forks the jobs of an execute worker.
//!
//! A job begins as a copy of the process that forked it. A copy of the worker would contain
//! requests and answers of earlier candidates. So the worker forks the launcher before its first
//! request, and the launcher forks the jobs. It receives orders with descriptors, passes the
//! descriptors to the jobs, and reads no files. The jobs are children of the worker
//! (`CLONE_PARENT`), which waits for them, watches their CPU time and kills them.
//!
//! ```text
//! worker ──┬── launcher: receives an order with descriptors, returns a process number
//!          └── job, forked by the launcher
//! ```

use crate::job::{StartError, leave_to_worker};
use crate::process::{self, Child, SingleThreaded};
use crate::security::{self, Machine};
use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::unistd::Pid;
use parity_scale_codec::{Decode, DecodeAll, Encode};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use std::cell::Cell;
use std::ffi::CStr;
use std::io::{self, IoSlice, IoSliceMut};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Process names of a launcher and of its jobs, to distinguish them from the worker in `ps`.
const NAMES: [&CStr; 2] = [c"polkadot-launch", c"polkadot-exec-j"];

/// Number of descriptors sent with an order.
pub const DESCRIPTORS: usize = 4;

/// Largest encoded order in bytes.
const ORDER_BYTES: usize = 16 * 1024;

/// The worker's handle of a running launcher that takes orders of this type.
pub struct Launcher<Order> {
    socket: OwnedFd,
    /// Whether the launcher has exited, or its answers can no longer be told apart.
    lost: Cell<bool>,
    orders: PhantomData<fn(Order)>,
}

/// The launcher's answer to an order: the process number of the job, or the system's error number.
type Launched = Result<i32, i32>;

impl<Order: Encode + Decode> Launcher<Order> {
    /// Forks the launcher, before the worker sets up its last barrier. In a job, `job` executes an
    /// order with its descriptors and exits. `worker` are the worker's descriptors, which the
    /// launcher and the jobs must not have.
    ///
    /// # Errors
    /// The system refuses the fork or the socket.
    pub fn start(
        machine: &Machine,
        worker: &[RawFd],
        job: impl Fn(Order, [OwnedFd; DESCRIPTORS]),
    ) -> io::Result<Self> {
        let (own, its) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let namespaces = security::launcher_namespaces(machine.status);
        if process::fork(machine.one, namespaces)?.is_none() {
            // The standard streams stay open, so that no received descriptor gets one of their
            // numbers.
            process::close_inherited(worker);
            process::close_inherited(&[own.as_raw_fd()]);
            let _ = prctl::set_name(NAMES[0]);
            launch(&its, machine, job);
        }
        Ok(Self {
            socket: own,
            lost: Cell::new(false),
            orders: PhantomData,
        })
    }

    /// Whether no further job can be ordered: the worker should exit, and its host start another.
    pub fn is_lost(&self) -> bool {
        self.lost.get()
    }

    /// Orders a job from the launcher.
    ///
    /// # Errors
    /// The system refuses, or the launcher [is lost](Self::is_lost).
    pub fn order(
        &self,
        order: &Order,
        descriptors: [BorrowedFd<'_>; DESCRIPTORS],
    ) -> Result<Child, StartError> {
        let failed = |action| {
            move |errno: rustix::io::Errno| StartError::System {
                action,
                errno: Errno::from_raw(errno.raw_os_error()),
            }
        };
        // After a failure to send or to receive, an answer to this order could be taken for one to
        // the next order.
        self.lost.set(true);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        let message = order.encode();
        rustix::io::retry_on_intr(|| {
            let message = &[IoSlice::new(&message)];
            sendmsg(&self.socket, message, &mut ancillary, SendFlags::NOSIGNAL)
        })
        .map_err(failed("asking the launcher for a job"))?;
        let mut answer = [0; 16];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let read = rustix::io::retry_on_intr(|| {
            let answer = &mut [IoSliceMut::new(&mut answer)];
            recvmsg(
                &self.socket,
                answer,
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            )
        })
        .map_err(failed("receiving the launcher's answer"))?
        .bytes;
        let launched = Launched::decode_all(&mut &answer[..read]);
        self.lost.set(launched.is_err());
        // An empty answer means that the launcher has exited.
        let pid = launched
            .unwrap_or(Err(libc::ECHILD))
            .map_err(|errno| StartError::System {
                action: "starting a job",
                errno: Errno::from_raw(errno),
            })?;
        let pid = Pid::from_raw(pid);
        match descriptors_of(&mut ancillary).pop() {
            Some(descriptor) => Ok(Child { pid, descriptor }),
            // The worker has too many open descriptors. The job finds its pipe closed and exits;
            // its limits hold until then.
            None => Err(StartError::System {
                action: "a descriptor of a job",
                errno: Errno::EMFILE,
            }),
        }
    }
}

/// The descriptors in the ancillary data of a message.
fn descriptors_of(ancillary: &mut RecvAncillaryBuffer<'_>) -> Vec<OwnedFd> {
    let rights = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    rights.flatten().collect()
}

/// In the launcher: serves the worker until it exits.
fn launch<Order: Decode>(
    socket: &OwnedFd,
    machine: &Machine,
    job: impl Fn(Order, [OwnedFd; DESCRIPTORS]),
) -> ! {
    // A barrier that fails here fails in the worker too, and the worker decides what follows.
    let _ = security::isolate_launcher(machine.status);
    if security::die_with_worker().is_err() {
        std::process::exit(1);
    }
    while let Some(received) = receive(socket) {
        let launched = received.and_then(|(order, descriptors)| {
            match fork(machine.one, machine).map_err(|errno| errno as i32)? {
                Some(child) => Ok(child),
                None => {
                    leave_to_worker(&[socket.as_raw_fd()]);
                    let _ = prctl::set_name(NAMES[1]);
                    job(order, descriptors);
                    std::process::exit(1)
                }
            }
        });
        if answer(socket, &launched).is_err() {
            break;
        }
    }
    std::process::exit(0)
}

/// Sends the worker the result of an order.
fn answer(socket: &OwnedFd, launched: &Result<Child, i32>) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptor = launched
        .as_ref()
        .ok()
        .map(|child| [child.descriptor.as_fd()]);
    if let Some(descriptor) = &descriptor {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptor));
    }
    let said: Launched = match launched {
        Ok(child) => Ok(child.pid.as_raw()),
        Err(errno) => Err(*errno),
    };
    let message = said.encode();
    let message = [IoSlice::new(&message)];
    rustix::io::retry_on_intr(|| sendmsg(socket, &message, &mut ancillary, SendFlags::NOSIGNAL))
        .map(|_| ())
}

fn fork(one: SingleThreaded, machine: &Machine) -> nix::Result<Option<Child>> {
    let new = security::job_namespaces(machine.status)
        .difference(security::launcher_namespaces(machine.status));
    process::fork(one, new | CloneFlags::CLONE_PARENT)
}

/// Receives an order with its descriptors, or an error number if they did not arrive. `None` if the
/// worker has exited.
fn receive<Order: Decode>(
    socket: &OwnedFd,
) -> Option<Result<(Order, [OwnedFd; DESCRIPTORS]), i32>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut message = [0; ORDER_BYTES];
    let received = rustix::io::retry_on_intr(|| {
        let message = &mut [IoSliceMut::new(&mut message)];
        recvmsg(
            socket.as_fd(),
            message,
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )
    });
    let received = match received {
        Ok(received) if received.bytes > 0 => received,
        _ => return None,
    };
    // If a standard stream is closed, a received descriptor may have its number, and is moved
    // above.
    let descriptors = descriptors_of(&mut ancillary).into_iter();
    let above = descriptors.filter_map(|it| rustix::io::fcntl_dupfd_cloexec(it, 3).ok());
    let descriptors: Vec<OwnedFd> = above.collect();
    // Descriptors above the process's limit are lost, so there may be fewer than `DESCRIPTORS`.
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
