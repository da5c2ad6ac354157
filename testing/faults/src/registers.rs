//! A system call in the registers of a stopped process. There is no such code for other processors
//! than x86-64 yet: [`start`](crate::start) refuses there.

/// The call that is made in place of a call that fails. `sigaltstack` with two null pointers has no
/// effect, and every filter of this repository allows it.
pub const SKIPPED: i64 = libc::SYS_sigaltstack;

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use other::Call;
#[cfg(target_arch = "x86_64")]
pub(crate) use x64::Call;

#[cfg(target_arch = "x86_64")]
mod x64 {
    use super::SKIPPED;
    use nix::Result;
    use nix::sys::ptrace;
    use nix::unistd::Pid;

    /// A call at its entry.
    #[derive(Clone, Copy, Debug)]
    pub struct Call {
        registers: libc::user_regs_struct,
    }

    impl Call {
        /// The call that a process is about to make.
        pub fn of(pid: Pid) -> Result<Self> {
            ptrace::getregs(pid).map(|registers| Self { registers })
        }

        /// The call's number.
        pub fn number(&self) -> i64 {
            self.registers.orig_rax as i64
        }

        /// The first argument.
        pub fn first(&self) -> u64 {
            self.registers.rdi
        }

        /// Lets the process make [`SKIPPED`] instead.
        pub fn skip(&self, pid: Pid) -> Result<()> {
            let mut registers = self.registers;
            registers.orig_rax = SKIPPED as u64;
            (registers.rdi, registers.rsi) = (0, 0);
            ptrace::setregs(pid, registers)
        }

        /// Lets the process make the call with 1 as the third argument, the count of reads and writes.
        pub fn shorten(&self, pid: Pid) -> Result<()> {
            let mut registers = self.registers;
            registers.rdx = registers.rdx.min(1);
            ptrace::setregs(pid, registers)
        }

        /// At the call's end: restores the arguments, and sets the result if there is one.
        pub fn end(&self, pid: Pid, result: Option<i64>) -> Result<()> {
            let mut registers = ptrace::getregs(pid)?;
            registers.rdi = self.registers.rdi;
            registers.rsi = self.registers.rsi;
            registers.rdx = self.registers.rdx;
            if let Some(result) = result {
                registers.rax = result as u64;
            }
            ptrace::setregs(pid, registers)
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod other {
    use nix::Result;
    use nix::errno::Errno;
    use nix::unistd::Pid;

    /// No process is traced, so there is no call.
    #[derive(Clone, Copy, Debug)]
    pub enum Call {}

    impl Call {
        pub fn of(_: Pid) -> Result<Self> {
            Err(Errno::ENOSYS)
        }

        pub fn number(&self) -> i64 {
            match *self {}
        }

        pub fn first(&self) -> u64 {
            match *self {}
        }

        pub fn skip(&self, _: Pid) -> Result<()> {
            match *self {}
        }

        pub fn shorten(&self, _: Pid) -> Result<()> {
            match *self {}
        }

        pub fn end(&self, _: Pid, _: Option<i64>) -> Result<()> {
            match *self {}
        }
    }
}
