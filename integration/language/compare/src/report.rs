//! Reports: differences grouped by answers and changes, and the stock functions' answers by kind of
//! module.

use crate::judge::{Answers, Difference, Subject};
use pvf_language_protocol::{Class, Outcome, Prepared};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Maximum size of a module whose bytes a report shows completely.
const MOST_SHOWN: usize = 2 << 10;

/// A group of differences: kind of difference, both classes, both messages without numbers.
pub type Group = (Difference, String, String, String);

/// The smallest module of a group.
struct Example {
    name: String,
    kinds: BTreeMap<String, u64>,
    code: Vec<u8>,
    count: u64,
    detail: String,
}

/// Counts and examples.
#[derive(Default)]
pub struct Report {
    /// Number of modules compared.
    pub compared: u64,
    /// Number of modules whose answers differ.
    pub differ: u64,
    /// Number of modules that both sides accepted.
    pub accepted: u64,
    /// Number of modules executed on both sides.
    pub executed: u64,
    /// Number of executions that exceeded their time limit.
    pub endless: u64,
    /// Number of executions for which this machine has too little memory on the stock side.
    pub beyond_machine: u64,
    groups: BTreeMap<Group, Example>,
    kinds: BTreeMap<(String, Class, Class, String), (u64, String, Vec<u8>)>,
}

/// A message without the parts that differ from module to module.
pub fn shape(message: &str) -> String {
    // After these words follows a name from the module.
    let named = ["non-env module: ", "non function imports: "];
    let end = named.iter().filter_map(|before| {
        let at = message.find(before)?;
        Some(at + before.len())
    });
    let message = &message[..end.min().unwrap_or(message.len())];
    let mut shape = String::new();
    let mut quoted = false;
    for character in message.chars() {
        match character {
            '`' => {
                quoted = !quoted;
                shape.push('`');
            }
            _ if quoted => {}
            '0'..='9' => {
                if !shape.ends_with('N') {
                    shape.push('N');
                }
            }
            '\n' => shape.push(' '),
            other => shape.push(other),
        }
    }
    shape.chars().take(160).collect()
}

fn classes(prepared: &Prepared) -> String {
    match prepared.class == prepared.precheck {
        true => format!("{:?}", prepared.class),
        false => format!("{:?}, precheck {:?}", prepared.class, prepared.precheck),
    }
}

/// The answers on one line.
pub fn line(answers: &Answers) -> String {
    let said = |prepared: &Prepared| match prepared.message.is_empty() {
        true => classes(prepared),
        false => format!(
            "{} ({})",
            classes(prepared),
            prepared.message.replace('\n', " ")
        ),
    };
    let mut line = said(&answers.stock);
    if let Some(ours) = &answers.ours {
        line.push_str(&format!(" | {}", said(ours)));
    }
    if let Some((stock, ours)) = &answers.executed {
        line.push_str(&format!(" | {:?} | {:?}", stock.outcome, ours.outcome));
    }
    line
}

/// The group of answers that differ.
pub fn group(answers: &Answers) -> Option<Group> {
    let difference = answers.difference()?;
    let ours = answers.ours.as_ref()?;
    let (stock_said, ours_said) = match (&answers.executed, difference) {
        (Some((stock, ours)), Difference::Execution) => (
            format!("{:?}: {}", stock.outcome, shape(&stock.message)),
            format!("{:?}: {}", ours.outcome, shape(&ours.message)),
        ),
        _ => (shape(&answers.stock.message), shape(&ours.message)),
    };
    let both = format!("{} | {}", classes(&answers.stock), classes(ours));
    Some((difference, both, stock_said, ours_said))
}

impl Report {
    /// Adds the answers for a module.
    pub fn add(&mut self, subject: &Subject, answers: &Answers) {
        self.compared += 1;
        let accepted = answers.stock.class == Class::Ok
            && answers.difference() != Some(Difference::Acceptance);
        self.accepted += u64::from(accepted);
        self.executed += u64::from(answers.executed.is_some());
        self.endless += u64::from(answers.endless);
        let stock = answers.executed.as_ref().map(|(stock, _)| stock.outcome);
        self.beyond_machine += u64::from(stock == Some(Outcome::BeyondMachine));
        let said = (
            subject.kind.clone(),
            answers.stock.class,
            answers.stock.precheck,
            shape(&answers.stock.message),
        );
        let entry = self.kinds.entry(said);
        let entry = entry.or_insert_with(|| (0, subject.name.clone(), subject.code.clone()));
        entry.0 += 1;
        if subject.code.len() < entry.2.len() {
            (entry.1, entry.2) = (subject.name.clone(), subject.code.clone());
        }
        if let Some(group) = group(answers) {
            self.differ += 1;
            let detail = format!("{answers:?}");
            let example = self.groups.entry(group).or_insert_with(|| Example {
                name: subject.name.clone(),
                kinds: BTreeMap::new(),
                code: subject.code.clone(),
                count: 0,
                detail: detail.clone(),
            });
            example.count += 1;
            *example.kinds.entry(subject.kind.clone()).or_default() += 1;
            if subject.code.len() < example.code.len() {
                example.name = subject.name.clone();
                example.code = subject.code.clone();
                example.detail = detail;
            }
        }
    }

    /// The groups with the bytes of their examples.
    pub fn groups(&self) -> impl Iterator<Item = (&Group, &[u8])> {
        let all = self.groups.iter();
        all.map(|(group, example)| (group, &example.code[..]))
    }

    /// Replaces the example of a group by a smaller one.
    pub fn smaller(&mut self, group: &Group, code: Vec<u8>) {
        if let Some(example) = self.groups.get_mut(group) {
            example.code = code;
        }
    }

    /// The differences as readable text.
    pub fn differences(&self) -> String {
        let mut text = String::new();
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(_, example)| std::cmp::Reverse(example.count));
        for ((difference, classes, stock, ours), example) in groups {
            let _ = writeln!(
                text,
                "\n## {difference:?}: {classes} (stock | ours), {} times",
                example.count
            );
            let _ = writeln!(
                text,
                "- stock: {stock}\n- ours: {ours}\n- example: {}",
                example.name
            );
            let mut kinds: Vec<_> = example.kinds.iter().collect();
            kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            for (kind, count) in kinds.iter().take(6) {
                let _ = writeln!(text, "- {count} x {kind}");
            }
            if kinds.len() > 6 {
                let _ = writeln!(text, "- and {} kinds more", kinds.len() - 6);
            }
            let detail: String = example.detail.chars().take(600).collect();
            let _ = writeln!(text, "- said: {detail}");
            let _ = writeln!(
                text,
                "- bytes ({}): {}",
                example.code.len(),
                hex(&example.code)
            );
        }
        text
    }

    /// The stock functions' answers by kind of module, as a table.
    pub fn table(&self) -> String {
        let mut text = String::from(
            "| kind | class | precheck | message | times | smallest |\n| --- | --- | --- | --- | --- | --- |\n",
        );
        for ((kind, class, precheck, message), (count, name, code)) in &self.kinds {
            let bytes = match code.len() <= 200 {
                true => hex(code),
                false => name.clone(),
            };
            let message = message.replace('|', "\\|");
            let _ = writeln!(
                text,
                "| {kind} | {class:?} | {precheck:?} | {message} | {count} | {bytes} |"
            );
        }
        text
    }
}

fn hex(code: &[u8]) -> String {
    let mut text = String::new();
    for byte in code.iter().take(MOST_SHOWN) {
        let _ = write!(text, "{byte:02x}");
    }
    if code.len() > MOST_SHOWN {
        text.push_str("...");
    }
    text
}
