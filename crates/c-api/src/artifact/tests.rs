//! What the library says of blobs is what preparation says.

use super::*;
use crate::error::{pvf_error_delete, pvf_error_message, pvf_error_rule, pvf_error_status};
use crate::outcome::{pvf_outcome_delete, pvf_outcome_reason, pvf_outcome_rule, pvf_outcome_t};
use crate::pvf::pvf_validate;
use pvf_executor::{Profile, Rejection};
use std::ffi::CStr;
use std::path::Path;
use std::ptr;

/// What preparation with the defaults says.
fn said(blob: &[u8]) -> Option<Rejection> {
    let functions = pvf_host::function_types(false);
    let rules = Rules::new(
        Profile::Polkadot.compile_options(),
        Purpose::Precheck(&functions),
    );
    match prepare(blob, &rules) {
        Ok(_) => None,
        Err(NotPrepared::Rejected(rejection)) => Some(rejection),
        Err(NotPrepared::Failed(failure)) => panic!("{failure}"),
    }
}

fn text<'a>(text: *const c_char) -> Option<&'a str> {
    // SAFETY: NULL or a string of an object that the test has not deleted.
    let text = (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) });
    text.map(|text| text.to_str().expect("UTF-8"))
}

#[test]
fn the_library_says_what_preparation_says() {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance");
    let mut blobs = pvf_conformance::rejected_blobs(&suite).expect("the suite");
    blobs.push(("a module".to_owned(), b"\0asm\x01\0\0\0".to_vec()));
    let mut rejected = 0;
    for (what, blob) in blobs {
        let expected = said(&blob);
        let (rule, reason) = match &expected {
            Some(rejection) => (Some(rejection.rule.as_str()), Some(rejection.reason())),
            None => (None, None),
        };
        let (mut artifact, mut error) = (ptr::null_mut(), ptr::null_mut());
        let mut outcome: *mut pvf_outcome_t = ptr::null_mut();
        // SAFETY: all pointers are to what the header asks for, and each object is deleted once.
        unsafe {
            let (bytes, size) = (blob.as_ptr(), blob.len());
            let status = pvf_prepare(bytes, size, ptr::null(), &mut artifact, &mut error);
            assert_eq!(text(pvf_error_rule(error)), rule, "{what}");
            match &reason {
                None => assert_eq!(status, pvf_status_t::PVF_STATUS_OK, "{what}"),
                Some(reason) => {
                    assert_eq!(status, pvf_status_t::PVF_STATUS_REJECTED, "{what}");
                    assert_eq!(pvf_error_status(error), status, "{what}");
                    assert_eq!(text(pvf_error_message(error)), Some(&**reason), "{what}");
                }
            }
            pvf_error_delete(error);
            pvf_artifact_delete(artifact);

            let none = (ptr::null(), 0);
            let status = pvf_validate(
                bytes,
                size,
                none.0,
                none.1,
                ptr::null(),
                &mut outcome,
                &mut error,
            );
            assert_eq!(status, pvf_status_t::PVF_STATUS_OK, "{what}");
            if let Some(reason) = &reason {
                assert_eq!(text(pvf_outcome_rule(outcome)), rule, "{what}");
                assert_eq!(text(pvf_outcome_reason(outcome)), Some(&**reason), "{what}");
                rejected += 1;
            }
            pvf_outcome_delete(outcome);
        }
    }
    assert!(rejected > 200, "{rejected}");
}
