//! The dashboard and the alert rules for operators use metrics that the workers write.

use pvf_worker_client::observation::Counters;
use std::collections::{BTreeMap, BTreeSet};

/// The names of our metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let is_other = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let words = text.split(is_other);
    words.filter(|word| word.starts_with("pvf_")).collect()
}

#[test]
fn dashboard_and_alerts_name_metrics_that_exist() {
    let every = Counters {
        compared: BTreeMap::from([("agreed".to_owned(), 1)]),
        skipped: BTreeMap::from([("busy".to_owned(), 1)]),
        answers: BTreeMap::from([("primary/valid".to_owned(), 1)]),
        cpu_seconds: BTreeMap::from([("primary".to_owned(), 1.0)]),
        kept: BTreeMap::from([("code".to_owned(), 1)]),
        not_kept: BTreeMap::from([("code".to_owned(), 1)]),
        failed: 1,
        kept_bytes: 1,
    };
    let text = String::from_utf8(every.to_prometheus().unwrap()).unwrap();
    let written = names(&text);
    let dashboard = include_str!("../../../docs/operating/pvf-dashboard.json");
    serde_json::from_str::<serde_json::Value>(dashboard).unwrap();
    let mut shown = names(dashboard);
    // The dashboard's own label.
    shown.remove("pvf_engines");
    assert_eq!(shown, written);
    let mut alerts = names(include_str!("../../../docs/operating/pvf-alerts.yml"));
    // The file of the counters.
    alerts.remove("pvf_workers");
    assert!(alerts.len() > 2);
    assert!(alerts.is_subset(&written), "{alerts:?}");
}
