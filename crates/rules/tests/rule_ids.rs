//! The rules that code can name are those of the specification.

use pvf_rules::RuleId;

/// `spec/rules.json` is what `spec/check` holds the chapters to.
#[test]
fn every_rule_is_in_the_specification() {
    let rules = include_str!("../../../spec/rules.json");
    for rule in RuleId::ALL {
        let entry = format!("{{\"id\": \"{rule}\",");
        assert!(rules.contains(&entry), "{rule} is not in spec/rules.json");
    }
}

#[test]
fn no_rule_is_listed_twice() {
    let mut sorted = RuleId::ALL.to_vec();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), RuleId::ALL.len());
}

/// Messages and JSON have the number as the specification writes it.
#[test]
fn a_rule_is_shown_by_its_number() {
    let rule = RuleId::LIMIT_2;
    assert_eq!(rule.as_str(), "LIMIT-2");
    assert_eq!(format!("{rule} {rule:?}"), "LIMIT-2 LIMIT-2");
}
