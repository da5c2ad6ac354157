//! The counts of comparisons, as a table.

use pvf_fuzz::differential::Counts;
use std::collections::BTreeMap;

/// Prints the counts of comparisons.
pub fn print(counts: &Counts) {
    let sum = |of: &BTreeMap<&str, u64>| of.values().sum::<u64>();
    println!("executions compared  {}", sum(&counts.endings));
    for (ending, count) in &counts.endings {
        println!("  {count:>8}  {ending}");
    }
    println!("by oracle            {}", sum(&counts.oracles));
    for (oracle, count) in &counts.oracles {
        println!("  {count:>8}  {oracle}");
    }
    println!("its own stack ended  {}", sum(&counts.native_stack));
    for (oracle, count) in &counts.native_stack {
        println!("  {count:>8}  {oracle}");
    }
    let absent: u64 = counts.absent.values().sum();
    println!("oracle did not take part in a module  {absent}");
    for (reason, count) in &counts.absent {
        println!("  {count:>8}  {reason}");
    }
}
