//! Schedules as data: what a price is, and which schedules are refused.

use pvf_metering::{Class, Costs, Instruction, Schedule, ScheduleError};

fn costs(toml: &str) -> Result<Costs, ScheduleError> {
    Schedule::parse(toml)?.costs()
}

#[test]
fn the_nearest_price_holds() {
    let costs = costs(
        "default = 3
        [class]
        division = 20
        memory = 0
        [instruction]
        \"i64.div_s\" = 40
        \"memory.grow\" = 500",
    )
    .expect("a schedule");
    assert_eq!(costs.instruction(Instruction::I32Add), 3);
    assert_eq!(costs.instruction(Instruction::I32RemU), 20);
    assert_eq!(costs.instruction(Instruction::I64DivS), 40);
    assert_eq!(costs.instruction(Instruction::MemorySize), 0);
    assert_eq!(costs.instruction(Instruction::MemoryGrow), 500);
    assert_eq!(costs.instruction(Instruction::End), 0);
}

#[test]
fn an_empty_schedule_is_the_default() {
    assert_eq!(costs(""), Ok(Costs::default()));
    assert_eq!(costs("[class]\ndivision = 1"), Ok(Costs::default()));
    assert_ne!(costs("per_local = 0"), Ok(Costs::default()));
    let bytes = |toml| costs(toml).expect("a schedule").to_bytes();
    assert_eq!(bytes(""), bytes("default = 1"));
    assert_ne!(bytes(""), bytes("memory_grow_per_page = 1"));
}

#[test]
fn json_says_the_same() {
    let toml =
        "memory_grow_per_page = 7\n[class]\ndivision = 20\n[instruction]\n\"i64.div_s\" = 40";
    let json = r#" {"memory_grow_per_page": 7, "class": {"division": 20}, "instruction": {"i64.div_s": 40}}"#;
    assert_eq!(costs(json), costs(toml));
    assert_eq!(costs("{}"), Ok(Costs::default()));
    for (json, expected) in [
        ("{\"default\": 1,\n\"default\": 1}", 2),
        ("{\"class\": {\n\"load\": 1,\n\"load\": 2}}", 3),
        ("{\"per_page\": 1}", 1),
        ("{\"default\": -1}", 1),
        ("{\"default\": 4294967296}", 1),
        ("{", 1),
    ] {
        match costs(json) {
            Err(ScheduleError::Syntax { line, message }) => {
                assert_eq!(line, expected, "{json}: {message}");
            }
            other => panic!("{json}: {other:?}"),
        }
    }
}

#[test]
fn mistakes_are_named() {
    let name = |name: &str| name.to_owned();
    let unknown = ScheduleError::UnknownClass {
        name: name("divide"),
    };
    assert_eq!(costs("[class]\ndivide = 1"), Err(unknown));
    let unknown = ScheduleError::UnknownInstruction {
        name: name("i32.div"),
    };
    assert_eq!(costs("[instruction]\n\"i32.div\" = 1"), Err(unknown));
    let free = ScheduleError::Free { name: name("end") };
    assert_eq!(costs("[instruction]\nend = 1"), Err(free));
    for (toml, expected) in [
        ("default = 1\nper_page = 1", 2),
        ("default = -1", 1),
        ("\n\ndefault = 4294967296", 3),
        ("default = 1.5", 1),
        ("default = 1\ndefault = 1", 2),
        ("[class]\nload = \"1\"", 2),
        ("default", 1),
        ("class = 1", 1),
    ] {
        match costs(toml) {
            Err(ScheduleError::Syntax { line, message }) => {
                assert!(!message.is_empty());
                let expected_words = toml != "class = 1" || message.contains("names with prices");
                assert!(expected_words, "{message}");
                assert_eq!(line, expected, "{toml}: {message}");
            }
            other => panic!("{toml}: {other:?}"),
        }
    }
}

#[test]
fn names_are_unique_and_known() {
    for &instruction in Instruction::ALL {
        assert_eq!(
            Instruction::from_name(instruction.name()),
            Some(instruction)
        );
    }
    for class in Class::ALL {
        assert_eq!(Class::from_name(class.name()), Some(class));
        assert!(
            Instruction::ALL
                .iter()
                .any(|instruction| instruction.class() == class)
        );
    }
}

/// Rule GAS-6: the price of a page times the pages asked for, in 64 bits.
#[test]
fn growth_costs_its_pages() {
    let price = |toml| costs(toml).expect("a schedule");
    assert_eq!(price("").memory_grow(65_536), 0);
    let costs = price("memory_grow_per_page = 10_000");
    assert_eq!(costs.memory_grow_per_page(), 10_000);
    assert_eq!(costs.memory_grow(0), 0);
    assert_eq!(costs.memory_grow(3), 30_000);
    let most = price("memory_grow_per_page = 4294967295");
    assert_eq!(most.memory_grow(u32::MAX), 18_446_744_065_119_617_025);
}
