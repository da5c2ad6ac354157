//! What people look at: one self-contained page, and the README's tables and picture, both from the JSON of a run.

mod charts;
mod page;
mod readme;

use crate::run::Run;
use std::path::Path;

/// Writes the page.
pub fn write_page(run: &Run, file: &Path) -> Result<(), String> {
    let page = page::page(run)?;
    std::fs::write(file, page).map_err(|error| format!("{}: {error}", file.display()))
}

/// Writes the README's measured tables and its picture in a repository.
pub fn publish(run: &Run, repository: &Path) -> Result<(), String> {
    let file = repository.join("README.md");
    let describe = |error: std::io::Error| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(&file).map_err(describe)?;
    std::fs::write(&file, readme::with_figures(&text, run)?).map_err(describe)?;
    if let Some(picture) = charts::overview(run)? {
        let file = repository.join("docs/bench.svg");
        std::fs::write(&file, picture).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
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
        // Nothing is fetched when it is opened.
        assert!(!page.contains("src=") && !page.contains("<link") && !page.contains("@import"));
    }

    #[test]
    fn an_empty_run_makes_a_page() {
        assert!(page::page(&Run::default()).unwrap().contains("</html>"));
    }

    #[test]
    fn figures_go_between_their_marks_and_nowhere_else() {
        let readme = "before\n<!-- programs -->\nold\n<!-- /programs -->\nafter\n";
        let new = readme::with_figures(readme, &recorded()).unwrap();
        assert!(
            new.starts_with("before\n<!-- programs -->\n")
                && new.ends_with("<!-- /programs -->\nafter\n")
        );
        assert!(new.contains("blake2b") && !new.contains("old"));
        assert_eq!(readme::with_figures(&new, &recorded()).unwrap(), new);
    }

    #[test]
    fn a_mark_without_its_end_is_an_error() {
        let error = readme::with_figures("<!-- programs -->\n", &recorded()).unwrap_err();
        assert!(error.contains("programs"), "{error}");
    }
}
