//! The border between C and Rust: all that every entry does.
//!
//! Nothing unwinds over it: a panic becomes [`pvf_status_t::PVF_STATUS_INTERNAL`], or what the entry returns for
//! NULL. Handles are boxes whose ownership goes to the caller and comes back to be deleted.

use crate::error::{pvf_error_t, pvf_status_t};
use std::any::Any;
use std::ffi::{CStr, CString, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Makes a handle and gives it to the caller.
///
/// # Safety
/// `out` and `error` are NULL or can be written.
pub unsafe fn make<T>(
    out: *mut *mut T,
    error: *mut *mut pvf_error_t,
    body: impl FnOnce() -> Result<T, pvf_error_t>,
) -> pvf_status_t {
    let give = |made| {
        // SAFETY: by the caller's promise; not NULL, see below.
        unsafe { out.write(Box::into_raw(Box::new(made))) };
        Ok(())
    };
    if !out.is_null() {
        // SAFETY: by the caller's promise.
        unsafe { out.write(std::ptr::null_mut()) };
    }
    let body = || match out.is_null() {
        true => Err(pvf_error_t::argument("no place for the result: NULL")),
        false => body().and_then(give),
    };
    // SAFETY: by the caller's promise.
    unsafe { run(error, body) }
}

/// Does something that can fail.
///
/// # Safety
/// `error` is NULL or can be written.
pub unsafe fn run(
    error: *mut *mut pvf_error_t,
    body: impl FnOnce() -> Result<(), pvf_error_t>,
) -> pvf_status_t {
    let result = caught(body).unwrap_or_else(|panic| {
        let status = pvf_status_t::PVF_STATUS_INTERNAL;
        Err(pvf_error_t::new(status, format!("panic: {panic}")))
    });
    let (status, handle) = match result {
        Ok(()) => (pvf_status_t::PVF_STATUS_OK, None),
        Err(failure) => (failure.status(), Some(failure)),
    };
    if !error.is_null() {
        let handle = handle.map_or(std::ptr::null_mut(), |it| Box::into_raw(Box::new(it)));
        // SAFETY: by the caller's promise.
        unsafe { error.write(handle) };
    }
    status
}

/// Reads from a handle; `absent` is for NULL.
///
/// # Safety
/// `handle` is NULL or alive, and outlives what is returned.
pub unsafe fn get<'a, T: 'a, R>(handle: *const T, absent: R, read: impl FnOnce(&'a T) -> R) -> R {
    // SAFETY: by the caller's promise.
    match unsafe { handle.as_ref() } {
        Some(handle) => caught(|| read(handle)).unwrap_or(absent),
        None => absent,
    }
}

/// Reads a number that may be missing from a handle; says whether there is one.
///
/// # Safety
/// As for [`get`]; `out` is NULL or can be written.
pub unsafe fn get_some<'a, T: 'a, R>(
    handle: *const T,
    out: *mut R,
    read: impl FnOnce(&'a T) -> Option<R>,
) -> bool {
    // SAFETY: by the caller's promise.
    match unsafe { get(handle, None, read) } {
        Some(value) => {
            if !out.is_null() {
                // SAFETY: by the caller's promise.
                unsafe { out.write(value) };
            }
            true
        }
        None => false,
    }
}

/// Takes ownership of the handle and drops it. NULL is ignored.
///
/// # Safety
/// `handle` is NULL or came from [`make`] or [`run`] and is alive. It is not from here on.
pub unsafe fn delete<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: by the caller's promise it is a box that nothing else owns.
        let owned = unsafe { Box::from_raw(handle) };
        let _ = caught(|| drop(owned));
    }
}

/// A handle as an argument that may not be NULL.
///
/// # Safety
/// `handle` is NULL or alive as long as what is returned.
pub unsafe fn handle<'a, T>(handle: *const T, what: &str) -> Result<&'a T, pvf_error_t> {
    // SAFETY: by the caller's promise.
    unsafe { handle.as_ref() }.ok_or_else(|| pvf_error_t::argument(format!("{what} is NULL")))
}

/// Bytes as an argument; NULL with size 0 is fine.
///
/// # Safety
/// `data` is NULL or points to `size` bytes that do not change as long as what is returned is used.
pub unsafe fn bytes<'a>(data: *const u8, size: usize, what: &str) -> Result<&'a [u8], pvf_error_t> {
    match (data.is_null(), size) {
        (true, 0) => Ok(&[]),
        (true, _) => Err(pvf_error_t::argument(format!(
            "{what} is NULL, its size {size}"
        ))),
        (false, _) if isize::try_from(size).is_err() => Err(pvf_error_t::argument(format!(
            "{what}: no memory has {size} bytes"
        ))),
        // SAFETY: by the caller's promise, and not too large.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(data, size) }),
    }
}

/// A path as an argument.
///
/// # Safety
/// `path` is NULL or a string that ends with NUL and does not change as long as what is returned is used.
pub unsafe fn path<'a>(path: *const c_char) -> Result<&'a Path, pvf_error_t> {
    if path.is_null() {
        return Err(pvf_error_t::argument("the path is NULL"));
    }
    // SAFETY: by the caller's promise.
    let path = unsafe { CStr::from_ptr(path) };
    Ok(Path::new(OsStr::from_bytes(path.to_bytes())))
}

/// Text for C: what would end it early is written out.
pub fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "\\0")).unwrap_or_default()
}

/// Runs a body. The error is the message of its panic.
fn caught<R>(body: impl FnOnce() -> R) -> Result<R, String> {
    // Nothing that a panic can have left half-done is used again but through locks that know of it.
    catch_unwind(AssertUnwindSafe(body)).map_err(|panic| message(panic.as_ref()).to_owned())
}

fn message(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(message), _) => message,
        (_, Some(message)) => message,
        _ => "not with a message",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::null_mut;

    #[test]
    fn a_panic_becomes_an_error() {
        let (mut out, mut error) = (null_mut::<u32>(), null_mut());
        // SAFETY: both places can be written, and the handle is deleted once.
        unsafe {
            let status = make(&mut out, &mut error, || panic!("at the {}", "border"));
            assert_eq!(status, pvf_status_t::PVF_STATUS_INTERNAL);
            assert!(out.is_null());
            assert_eq!((*error).message(), c"panic: at the border");
            delete(error);
        }
    }

    #[test]
    fn a_panic_while_reading_or_deleting_stays_here() {
        struct Grumpy;
        impl Drop for Grumpy {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let grumpy = Box::into_raw(Box::new(Grumpy));
        // SAFETY: the handle is alive until it is deleted.
        unsafe {
            assert_eq!(get(grumpy, 7, |_| panic!("read")), 7);
            delete(grumpy);
        }
    }

    #[test]
    fn text_with_nul_keeps_its_end() {
        assert_eq!(c_string("a\0b").as_c_str(), c"a\\0b");
    }
}
