//! What the library says of blobs is what preparation says.

use super::*;
use crate::error::{pvf_error_delete, pvf_error_message, pvf_error_rule, pvf_error_status};
use crate::outcome::{pvf_outcome_delete, pvf_outcome_reason, pvf_outcome_rule, pvf_outcome_t};
use crate::pvf::pvf_validate;
use pvf_executor::{Profile, Rejection};
use std::ffi::CStr;
use std::path::Path;
use std::ptr;

/// What preparation for a purpose says, with the defaults.
fn said(blob: &[u8], purpose: Purpose<'_>) -> Option<Rejection> {
    let rules = Rules::new(Profile::Polkadot.compile_options(), purpose);
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

/// Rule and reason of a rejection.
fn parts(rejection: Option<Rejection>) -> (Option<String>, Option<String>) {
    let rule = rejection.as_ref().map(|it| it.rule.as_str().to_owned());
    (rule, rejection.map(|it| it.reason()))
}

#[test]
fn the_library_says_what_preparation_says() {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance");
    let mut blobs = pvf_conformance::rejected_blobs(&suite).expect("the suite");
    blobs.push(("a module".to_owned(), b"\0asm\x01\0\0\0".to_vec()));
    let functions = pvf_validation::function_types(false);
    let (mut rejected, mut constructed) = (0, 0);
    for (what, blob) in blobs {
        let (rule, reason) = parts(said(&blob, Purpose::Execution));
        let (mut artifact, mut error) = (ptr::null_mut(), ptr::null_mut());
        let mut outcome: *mut pvf_outcome_t = ptr::null_mut();
        // SAFETY: all pointers are to what the header asks for, and each object is deleted once.
        unsafe {
            let (bytes, size) = (blob.as_ptr(), blob.len());
            let status = pvf_prepare(bytes, size, ptr::null(), &mut artifact, &mut error);
            assert_eq!(text(pvf_error_rule(error)), rule.as_deref(), "{what}");
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

            // The outcome also has what construction finds.
            let (rule, reason) = parts(said(&blob, Purpose::Precheck(&functions)));
            constructed += u32::from(reason.is_some() && status == pvf_status_t::PVF_STATUS_OK);
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
                assert_eq!(text(pvf_outcome_rule(outcome)), rule.as_deref(), "{what}");
                assert_eq!(text(pvf_outcome_reason(outcome)), Some(&**reason), "{what}");
                rejected += 1;
            }
            pvf_outcome_delete(outcome);
        }
    }
    assert!(
        rejected > 200 && constructed > 0,
        "{rejected}, {constructed}"
    );
}
