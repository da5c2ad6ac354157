//! The launcher: the process that forks the jobs of an execute worker.
//!
//! A job begins as a copy of the process that forked it. A copy of the worker would contain
//! requests and answers of earlier candidates. So the worker forks the launcher before its first
//! request, and the launcher forks the jobs. It reads no files, and neither an artifact nor a
//! candidate ever reaches it. The jobs are children of the worker (`CLONE_PARENT`), which waits for
//! them, watches their CPU time and kills them.
//!
//! ```text
//! worker ──┬── launcher: receives a ticket, returns the number of a process that waits
//!          └── job, forked by the launcher: waits for the order with this ticket, with descriptors
//! ```
//!
//! A process and its namespaces take a good part of the time of a short job. So the worker asks for
//! the next process when it has sent an answer ([`Launcher::prepare`]). That process waits without
//! any data, and takes one order. At most one process waits at a time. An order that its process did
//! not live to receive stays in the socket; the next process drops it, because its ticket is another
//! one.

use crate::job::{StartError, leave_to_worker};
use crate::process::{self, Child, SingleThreaded};
use crate::security::{self, Machine, Role};
use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::wait::waitpid;
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

/// Process names of a launcher, of a process that waits for an order, and of a job, to distinguish
/// them from the worker in `ps`.
const NAMES: [&CStr; 3] = [c"polkadot-launch", c"polkadot-wait", c"polkadot-exec-j"];

/// The descriptor number of a job's pipe, if the limit of descriptors allows it: a known number lets
/// the launcher compile the list of allowed calls once.
pub const PIPE_NUMBER: RawFd = 10;

/// Number of descriptors sent with an order.
pub const DESCRIPTORS: usize = 4;

/// Largest encoded order in bytes.
const ORDER_BYTES: usize = 16 * 1024;

/// The worker's handle of a running launcher that takes orders of this type.
pub struct Launcher<Order> {
    /// For tickets, and the launcher's answers to them.
    socket: OwnedFd,
    /// For orders. The process that waits reads from the other end.
    orders: OwnedFd,
    /// The launcher was asked for the process of the next order, and its answer was not read yet.
    ahead: Cell<Option<Ticket>>,
    next_ticket: Cell<Ticket>,
    /// Whether the launcher has exited, or its answers can no longer be told apart.
    lost: Cell<bool>,
    order: PhantomData<fn(Order)>,
}

/// Which order a process waits for.
type Ticket = u64;

/// The launcher's answer to a ticket: the process number, or the system's error number.
type Launched = Result<i32, i32>;

/// What a process that waits receives: its ticket, and its order. Without an order, it exits.
type Message<Order> = (Ticket, Option<Order>);

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
        let pair = || {
            socketpair(
                AddressFamily::UNIX,
                SocketType::SEQPACKET,
                SocketFlags::CLOEXEC,
                None,
            )
        };
        let ((own, its), (orders, to_take)) = (pair()?, pair()?);
        let namespaces = security::launcher_namespaces(machine.status);
        if process::fork(machine.one, namespaces)?.is_none() {
            // The standard streams stay open, so that no received descriptor gets one of their
            // numbers.
            process::close_inherited(worker);
            process::close_inherited(&[own.as_raw_fd(), orders.as_raw_fd()]);
            let _ = prctl::set_name(NAMES[0]);
            launch(&its, &to_take, machine, job);
        }
        Ok(Self {
            socket: own,
            orders,
            ahead: Cell::new(None),
            next_ticket: Cell::new(0),
            lost: Cell::new(false),
            order: PhantomData,
        })
    }

    /// Whether no further job can be ordered: the worker should exit, and its host start another.
    pub fn is_lost(&self) -> bool {
        self.lost.get()
    }

    /// Asks the launcher for the process of the next job, unless that was done already. Does not
    /// wait for it.
    ///
    /// # Errors
    /// The launcher [is lost](Self::is_lost).
    pub fn prepare(&self) -> Result<(), StartError> {
        // The answer to the last ticket may still come. A process of which nobody knows would take the orders of others.
        if self.lost.get() {
            return Err(failed("asking the launcher for a job")(
                rustix::io::Errno::CHILD,
            ));
        }
        if self.ahead.get().is_none() {
            let ticket = self.next_ticket.get();
            self.next_ticket.set(ticket + 1);
            self.lost.set(true);
            let sent = send(&self.socket, &ticket, &[]);
            sent.map_err(failed("asking the launcher for a job"))?;
            self.lost.set(false);
            self.ahead.set(Some(ticket));
        }
        Ok(())
    }

    /// Gives an order to the process that waits, or to a new one.
    ///
    /// # Errors
    /// The system refuses, or the launcher [is lost](Self::is_lost).
    pub fn order(
        &self,
        order: &Order,
        descriptors: [BorrowedFd<'_>; DESCRIPTORS],
    ) -> Result<Child, StartError> {
        let (ticket, child) = self.waiting()?;
        let message = (ticket, Some(order));
        match send(&self.orders, &message, &descriptors) {
            Ok(()) => Ok(child),
            Err(errno) => {
                // It waits for an order that nobody will send again.
                let _ = child.kill();
                Err(failed("ordering a job")(errno))
            }
        }
    }

    /// The process that waits, or a new one.
    fn waiting(&self) -> Result<(Ticket, Child), StartError> {
        loop {
            let asked_before = self.ahead.get().is_some();
            self.prepare()?;
            let Some(ticket) = self.ahead.take() else {
                continue;
            };
            let child = self.launched(ticket)?;
            // Somebody may have killed it while it waited, for example for want of memory. One that
            // was asked for just now is used in any case, so that this ends.
            if !asked_before || !child.has_ended_within(0) {
                return Ok((ticket, child));
            }
        }
    }

    /// Reads the launcher's answer to a ticket.
    fn launched(&self, ticket: Ticket) -> Result<Child, StartError> {
        // After a failure to receive, this answer could be taken for one to the next ticket.
        self.lost.set(true);
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
            // The worker has too many open descriptors, and cannot watch this process: it must not
            // wait for an order any longer, because two that wait would take each other's orders.
            None => {
                let nothing: Message<Order> = (ticket, None);
                let told = send(&self.orders, &nothing, &[]);
                let gone = told.is_ok() && waitpid(pid, None).is_ok();
                self.lost.set(!gone);
                Err(StartError::System {
                    action: "a descriptor of a job",
                    errno: Errno::EMFILE,
                })
            }
        }
    }
}

fn failed(action: &'static str) -> impl Fn(rustix::io::Errno) -> StartError {
    move |errno| StartError::System {
        action,
        errno: Errno::from_raw(errno.raw_os_error()),
    }
}

/// Sends a message with at most [`DESCRIPTORS`] descriptors.
fn send(
    socket: &OwnedFd,
    message: &impl Encode,
    descriptors: &[BorrowedFd<'_>],
) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let message = message.encode();
    rustix::io::retry_on_intr(|| {
        let message = &[IoSlice::new(&message)];
        sendmsg(socket, message, &mut ancillary, SendFlags::NOSIGNAL)
    })
    .map(|_| ())
}

/// The descriptors in the ancillary data of a message.
fn descriptors_of(ancillary: &mut RecvAncillaryBuffer<'_>) -> Vec<OwnedFd> {
    let rights = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    rights.flatten().collect()
}

/// In the launcher: forks a process for each ticket until the worker exits.
fn launch<Order: Decode>(
    socket: &OwnedFd,
    orders: &OwnedFd,
    machine: &Machine,
    job: impl Fn(Order, [OwnedFd; DESCRIPTORS]),
) -> ! {
    // A barrier that fails here fails in the worker too, and the worker decides what follows.
    let _ = security::isolate_launcher(machine.status);
    // A list that does not compile is an error of each job.
    let _ = security::seccomp::job::compile_ahead(PIPE_NUMBER, &[Role::Load, Role::Execute]);
    if security::die_with_worker().is_err() {
        std::process::exit(1);
    }
    security::placement::fill_holes();
    while let Some((ticket, _)) = receive::<Ticket>(socket) {
        let Ok(ticket) = ticket else { break };
        let launched = match fork(machine.one, machine) {
            Ok(Some(child)) => Ok(child),
            Ok(None) => {
                process::close_inherited(&[socket.as_raw_fd()]);
                let _ = prctl::set_name(NAMES[1]);
                if let Some((order, descriptors)) = wait_for_order(orders, ticket) {
                    leave_to_worker(&[orders.as_raw_fd()]);
                    let _ = prctl::set_name(NAMES[2]);
                    job(order, descriptors);
                }
                std::process::exit(1)
            }
            Err(errno) => Err(errno as i32),
        };
        if answer(socket, &launched).is_err() {
            break;
        }
    }
    std::process::exit(0)
}

/// In a process that waits: its order. `None` if there will be none.
fn wait_for_order<Order: Decode>(
    orders: &OwnedFd,
    own: Ticket,
) -> Option<(Order, [OwnedFd; DESCRIPTORS])> {
    // If the worker has exited meanwhile, the socket is at its end.
    security::die_with_worker().ok()?;
    loop {
        let (message, descriptors) = receive::<Message<Order>>(orders)?;
        match message {
            Ok((ticket, order)) if ticket == own => {
                let mut descriptors = descriptors.ok()?;
                // If there is no room for that number, the list of allowed calls is compiled anew.
                if let Ok(pipe) = rustix::io::fcntl_dupfd_cloexec(&descriptors[0], PIPE_NUMBER) {
                    descriptors[0] = pipe;
                }
                return Some((order?, descriptors));
            }
            // The order of a process that did not live to receive it.
            _ => {}
        }
    }
}

/// Sends the worker the result of a ticket.
fn answer(socket: &OwnedFd, launched: &Result<Child, i32>) -> rustix::io::Result<()> {
    let descriptor = launched.as_ref().ok().map(|child| child.descriptor.as_fd());
    let said: Launched = match launched {
        Ok(child) => Ok(child.pid.as_raw()),
        Err(errno) => Err(*errno),
    };
    send(socket, &said, descriptor.as_slice())
}

fn fork(one: SingleThreaded, machine: &Machine) -> nix::Result<Option<Child>> {
    let new = security::job_namespaces(machine.status)
        .difference(security::launcher_namespaces(machine.status));
    process::fork(one, new | CloneFlags::CLONE_PARENT)
}

/// The descriptors of an order, or an error number if they did not arrive.
type Descriptors = Result<[OwnedFd; DESCRIPTORS], i32>;

/// Receives a message and its descriptors. `None` if the worker has exited.
fn receive<T: Decode>(socket: &OwnedFd) -> Option<(Result<T, i32>, Descriptors)> {
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
    let whole = !received.flags.contains(ReturnFlags::CTRUNC);
    let descriptors = descriptors.ok().filter(|_| whole).ok_or(libc::EMFILE);
    let message = T::decode_all(&mut &message[..received.bytes]);
    Some((message.map_err(|_| libc::EPROTO), descriptors))
}
