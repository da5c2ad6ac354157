//! Byte vectors that the caller owns.

/// Bytes of the caller's. Delete with pvf_byte_vec_delete; do not change the fields of one that the library filled.
#[repr(C)]
pub struct pvf_byte_vec_t {
    /// How many.
    pub size: usize,
    /// Address of the first byte; NULL if there are no bytes.
    pub data: *mut u8,
}

impl pvf_byte_vec_t {
    pub const EMPTY: Self = Self {
        size: 0,
        data: std::ptr::null_mut(),
    };

    pub fn new(bytes: Vec<u8>) -> Self {
        if bytes.is_empty() {
            return Self::EMPTY;
        }
        let size = bytes.len();
        let data = Box::into_raw(bytes.into_boxed_slice()).cast();
        Self { size, data }
    }
}

/// Makes a vector empty: one to be passed to a function that fills it does not have to be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_byte_vec_new_empty(vec: *mut pvf_byte_vec_t) {
    if !vec.is_null() {
        // SAFETY: by the header's rules.
        unsafe { vec.write(pvf_byte_vec_t::EMPTY) };
    }
}

/// Frees the bytes and makes the vector empty, so that deleting it again does nothing. NULL: nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pvf_byte_vec_delete(vec: *mut pvf_byte_vec_t) {
    // SAFETY: by the header's rules.
    let Some(vec) = (unsafe { vec.as_mut() }) else {
        return;
    };
    let pvf_byte_vec_t { size, data } = std::mem::replace(vec, pvf_byte_vec_t::EMPTY);
    if !data.is_null() {
        // SAFETY: made by `new` from a box of this size, since callers do not change the fields.
        drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(data, size)) });
    }
}
