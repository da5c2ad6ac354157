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
use std::ffi::CStr;
use std::io::{self, IoSlice, IoSliceMut};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Names of the processes, by which a table of processes tells launcher and job from the worker that they are copies of.
const NAMES: [&CStr; 2] = [c"polkadot-launch", c"polkadot-exec-j"];

/// Descriptors that go with an order.
pub const DESCRIPTORS: usize = 4;

/// Largest order, encoded.
const ORDER_BYTES: usize = 16 * 1024;

/// A launcher that was started, for orders of this type.
pub struct Launcher<Order> {
    socket: OwnedFd,
    orders: PhantomData<fn(Order)>,
}

/// What the launcher says of an order: the process number of a job, or the system's answer.
type Launched = Result<i32, i32>;

impl<Order: Encode + Decode> Launcher<Order> {
    /// Forks the launcher, before the worker has put up its last barrier. `job` is what a job does with an order and its descriptors; it does
    /// not come back. `worker` are descriptors of the worker that neither shall have.
    ///
    /// # Errors
    /// The system refuses.
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
            // The three that every process starts with stay: their numbers are not for what jobs are given.
            process::close_inherited(worker);
            process::close_inherited(&[own.as_raw_fd()]);
            let _ = prctl::set_name(NAMES[0]);
            launch(&its, machine, job);
        }
        Ok(Self {
            socket: own,
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
    ) -> Result<Child, StartError> {
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
        .map_err(failed("hearing from the launcher"))?
        .bytes;
        let launched = Launched::decode_all(&mut &answer[..read]);
        // It says nothing when it is no more.
        let pid = launched
            .unwrap_or(Err(libc::ECHILD))
            .map_err(|errno| StartError::System {
                action: "starting a job",
                errno: Errno::from_raw(errno),
            })?;
        let pid = Pid::from_raw(pid);
        match descriptors_of(&mut ancillary).pop() {
            Some(descriptor) => Ok(Child { pid, descriptor }),
            // There was no room for one. The job finds its pipe closed, and ends; its limits hold in any case.
            None => Err(StartError::System {
                action: "a descriptor of a job",
                errno: Errno::EMFILE,
            }),
        }
    }
}

/// The descriptors of a message.
fn descriptors_of(ancillary: &mut RecvAncillaryBuffer<'_>) -> Vec<OwnedFd> {
    let rights = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    rights.flatten().collect()
}

/// In the launcher: serves the worker until that is gone.
fn launch<Order: Decode>(
    socket: &OwnedFd,
    machine: &Machine,
    job: impl Fn(Order, [OwnedFd; DESCRIPTORS]),
) -> ! {
    // If a barrier cannot be put up here, then not in the worker either, which knows what follows from that.
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

/// Tells the worker what became of an order.
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
    sendmsg(socket, &message, &mut ancillary, SendFlags::NOSIGNAL).map(|_| ())
}

fn fork(one: SingleThreaded, machine: &Machine) -> nix::Result<Option<Child>> {
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
    // The numbers of the standard streams are free here. Nothing else shall be taken for one of them.
    let descriptors = descriptors_of(&mut ancillary).into_iter();
    let above = descriptors.filter_map(|it| rustix::io::fcntl_dupfd_cloexec(it, 3).ok());
    let descriptors: Vec<OwnedFd> = above.collect();
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
