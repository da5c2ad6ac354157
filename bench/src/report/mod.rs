//! The reports for people: one self-contained page, and the tables, figures and chart of the repository, all from the
//! JSON of runs.

mod charts;
mod page;
mod tables;

use crate::run::Run;
use std::path::Path;

/// Writes the page.
pub fn write_page(run: &Run, file: &Path) -> Result<(), String> {
    let page = page::page(run)?;
    std::fs::write(file, page).map_err(|error| format!("{}: {error}", file.display()))
}

/// Writes the tables of `BENCHMARKS.md`, the README's figures and `docs/bench.svg` in a repository.
pub fn publish(runs: &[Run], repository: &Path) -> Result<(), String> {
    rewrite(&repository.join("BENCHMARKS.md"), |text| {
        tables::with_tables(text, runs)
    })?;
    rewrite(&repository.join("README.md"), |text| {
        tables::with_headline(text, runs)
    })?;
    if let Some(picture) = charts::overview(&Run::merged(runs.to_vec()))? {
        let file = repository.join("docs/bench.svg");
        std::fs::write(&file, picture).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

fn rewrite(file: &Path, change: impl FnOnce(&str) -> Result<String, String>) -> Result<(), String> {
    let describe = |error: std::io::Error| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(describe)?;
    let text = change(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    std::fs::write(file, text).map_err(describe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded() -> Run {
        serde_json::from_str(include_str!("../../tests/run.json")).unwrap()
    }

    #[test]
    fn a_recorded_run_makes_a_page_with_all_its_tables_and_charts() {
        let run = recorded();
        let page = page::page(&run).unwrap();
        for table in run.tables() {
            assert!(
                page.contains(&page::escaped(&table.title)),
                "{}",
                table.title
            );
        }
        for chart in charts::all(&run).unwrap() {
            assert!(chart.contains("<svg class=\"pvf-chart\""));
            assert!(page.contains(&chart));
        }
        assert!(charts::all(&run).unwrap().len() >= 4);
        // The page loads nothing when it is opened.
        assert!(!page.contains("src=") && !page.contains("<link") && !page.contains("@import"));
    }

    #[test]
    fn an_empty_run_makes_a_page() {
        assert!(page::page(&Run::default()).unwrap().contains("</html>"));
    }

    #[test]
    fn tables_go_between_their_marks_and_nowhere_else() {
        let old = "before\n<!-- programs -->\nold\n<!-- /programs -->\nafter\n";
        let new = tables::with_tables(old, &[recorded()]).unwrap();
        assert!(new.starts_with("before\n<!-- programs -->\n"));
        assert!(new.ends_with("<!-- /programs -->\nafter\n"));
        assert!(new.contains("blake2b") && !new.contains("old"));
        assert_eq!(tables::with_tables(&new, &[recorded()]).unwrap(), new);
    }

    #[test]
    fn a_table_states_the_day_and_machine_of_its_run() {
        let first = Run {
            date: "2026-01-02".to_owned(),
            processor: "first".to_owned(),
            ..Run::default()
        };
        let second = Run {
            date: "2026-03-04".to_owned(),
            processor: "second (2 cores)".to_owned(),
            kernel: "Linux 6.1".to_owned(),
            versions: vec!["Wasmtime 1.2".to_owned()],
            ..recorded()
        };
        let text = "<!-- programs -->\n<!-- /programs -->\n";
        let text = tables::with_tables(text, &[first, second]).unwrap();
        let expected = "Measured on 2026-03-04: second (2 cores), Linux 6.1, Wasmtime 1.2.";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn a_run_knows_its_day_machine_and_versions() {
        let here = Run::here();
        assert_eq!(here.date.len(), "2026-11-25".len());
        assert!(here.kernel.starts_with("Linux "), "{}", here.kernel);
        let built_with = &here.versions;
        assert!(built_with[0].starts_with("rustc 1."), "{built_with:?}");
        let has_wasmtime = built_with.iter().any(|it| it.starts_with("Wasmtime "));
        assert_eq!(has_wasmtime, cfg!(feature = "wasmtime"));
    }

    #[test]
    fn the_headline_needs_all_its_figures() {
        let text = "<!-- speed -->\nold\n<!-- /speed -->\n";
        let mut run = recorded();
        run.execute.clear();
        assert_eq!(tables::with_headline(text, &[run.clone()]).unwrap(), text);
        let candidate = serde_json::json!({
            "group": "PVFs", "chain": "tick", "case": "empty-1", "expected": "result", "wrong": {}, "engines": {
                "ours": { "least_ns": 30, "quarter_ns": 30, "median_ns": 30, "three_quarters_ns": 30, "samples": 1 },
                "cranelift": { "least_ns": 40, "quarter_ns": 40, "median_ns": 40, "three_quarters_ns": 40, "samples": 1 },
            },
        });
        let candidates = Run {
            execute: vec![serde_json::from_value(candidate).unwrap()],
            ..Run::default()
        };
        let new = tables::with_headline(text, &[run, candidates]).unwrap();
        assert!(
            new.contains("0.75 of the time on recorded candidates"),
            "{new}"
        );
        assert!(!new.contains("old"), "{new}");
    }

    #[test]
    fn a_mark_without_its_end_is_an_error() {
        let error = tables::with_tables("<!-- programs -->\n", &[recorded()]).unwrap_err();
        assert!(error.contains("programs"), "{error}");
    }

    #[test]
    fn the_repository_has_all_marks() {
        let read = |name| std::fs::read_to_string(crate::options::repository().join(name)).unwrap();
        let benchmarks = read("BENCHMARKS.md");
        for mark in [
            "compile", "programs", "public", "execute", "linear", "wasm-opt",
        ] {
            assert!(benchmarks.contains(&format!("<!-- {mark} -->\n")), "{mark}");
            assert!(
                benchmarks.contains(&format!("<!-- /{mark} -->\n")),
                "{mark}"
            );
        }
        let readme = read("README.md");
        assert!(readme.contains("<!-- speed -->\n") && readme.contains("<!-- /speed -->\n"));
    }
}
