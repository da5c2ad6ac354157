//! Other users cannot access a service's cache, whatever the umask. This test is a program of its
//! own, because the umask applies to a whole process.

mod common;

use common::*;
use nix::sys::stat::{Mode, umask};
use pvf_worker_client::service::{Options, Rules, Service};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_cache_gives_no_permissions_to_others_under_umask_0() {
    let scratch = Scratch::new();
    let cache = scratch.0.join("open");
    umask(Mode::empty());
    let workers = program("prepare-worker");
    let workers = workers.parent().expect("programs lie in a directory");
    let service = Service::start(Options::new(workers, &cache)).expect("the service starts");
    service
        .prepare(&module("", "", ""), &Rules::default())
        .unwrap();
    // Check the files that remain, without those of running workers.
    drop(service);
    let mut left = vec![cache];
    let mut seen = 0;
    while let Some(next) = left.pop() {
        let mode = fs::symlink_metadata(&next).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", next.display());
        seen += 1;
        for entry in fs::read_dir(&next).into_iter().flatten() {
            left.push(entry.unwrap().path());
        }
    }
    assert!(seen > 5, "{seen}");
}
