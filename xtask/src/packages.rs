//! That every crate says all that a registry and its readers want, or why it is not published.

use crate::repository::{self, Package, root};
use crate::tasks::Problems;

/// Files that every package carries.
const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];

/// What is missing in a package that is published, and in its dependencies.
fn problems_of(package: &Package, all: &[Package]) -> Vec<String> {
    let mut missing = Vec::new();
    let folder = root().join(package.folder());
    let mut want = |there: bool, what: &str| {
        if !there {
            missing.push(format!("{}: {what}", package.folder()));
        }
    };
    let some = |text: &Option<String>| text.as_ref().is_some_and(|it| !it.is_empty());
    want(some(&package.description), "no description");
    want(some(&package.license), "no licence");
    want(
        some(&package.repository),
        "no repository (repository.workspace = true)",
    );
    want(
        !package.keywords.is_empty() && package.keywords.len() <= 5,
        "needs one to five keywords",
    );
    want(
        !package.categories.is_empty() && package.categories.len() <= 5,
        "needs one to five categories",
    );
    want(package.readme.is_some(), "no readme");
    let readme = package.readme.as_ref().map(|it| folder.join(it));
    want(
        readme.is_some_and(|it| it.is_file()),
        "its readme is not there",
    );
    for name in LICENCES {
        let same = std::fs::read(folder.join(name)).ok() == std::fs::read(root().join(name)).ok();
        want(same, &format!("its {name} is not the repository's (ln -s)"));
    }
    let is_library = package
        .targets
        .iter()
        .any(|it| it.kind.iter().any(|kind| kind == "lib"));
    let on_docs_rs = package.metadata.pointer("/docs/rs/targets").is_some();
    want(
        !is_library || on_docs_rs,
        "no [package.metadata.docs.rs] targets",
    );
    for dependency in &package.dependencies {
        let (Some(path), None | Some("build")) = (&dependency.path, dependency.kind.as_deref())
        else {
            continue;
        };
        let name = &dependency.name;
        want(
            dependency.req != "*",
            &format!("its dependency on {name} has no version"),
        );
        let published = all
            .iter()
            .any(|it| it.manifest_path.parent() == Some(path) && it.is_published());
        want(
            published,
            &format!("depends on {name}, which is not published"),
        );
    }
    missing
}

/// Every package of the repository that is not published says why: a comment before `publish = false`.
fn without_reason(package: &Package) -> Option<String> {
    let text = std::fs::read_to_string(&package.manifest_path).ok()?;
    let lines: Vec<_> = text.lines().collect();
    let place = lines.iter().position(|line| *line == "publish = false")?;
    let reason = place
        .checked_sub(1)
        .is_some_and(|before| lines[before].starts_with("# "));
    (!reason).then(|| {
        format!(
            "{}: `publish = false` without a comment that says why",
            package.folder()
        )
    })
}

/// All that is wrong in the main workspace.
fn problems() -> Result<(usize, Vec<String>), repository::ReadError> {
    let packages = repository::members("Cargo.toml")?;
    let (published, others): (Vec<_>, Vec<_>) = packages.iter().partition(|it| it.is_published());
    let mut problems: Vec<_> = published
        .iter()
        .flat_map(|package| problems_of(package, &packages))
        .collect();
    problems.extend(others.into_iter().filter_map(without_reason));
    Ok((published.len(), problems))
}

/// `cargo xtask packages`.
pub fn task(_: &[String]) -> Result<(), Problems> {
    let (published, problems) = problems()?;
    Problems::of(problems)?;
    println!("{published} packages can be published");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_can_be_published_or_says_why_not() {
        let (published, problems) = problems().unwrap();
        assert_eq!(problems, [""; 0]);
        assert!(published >= 18, "only {published}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let packages = repository::members("Cargo.toml").unwrap();
        let mut package = packages
            .iter()
            .find(|it| it.name == "pvf-executor")
            .unwrap()
            .clone();
        package.description = None;
        package.keywords.clear();
        package.metadata = serde_json::Value::Null;
        for dependency in &mut package.dependencies {
            if dependency.path.is_some() {
                dependency.req = "*".to_owned();
            }
        }
        let problems = problems_of(&package, &packages).join("\n");
        for expected in [
            "crates/executor: no description",
            "crates/executor: needs one to five keywords",
            "crates/executor: no [package.metadata.docs.rs] targets",
            "crates/executor: its dependency on pvf-rules has no version",
        ] {
            assert!(problems.contains(expected), "{expected}: {problems}");
        }
        let oracle = packages
            .iter()
            .find(|it| it.name == "pvf-meter-oracle")
            .unwrap();
        package.dependencies = vec![repository::Dependency {
            name: oracle.name.clone(),
            kind: None,
            req: "^0.1.0".to_owned(),
            path: oracle.manifest_path.parent().map(Into::into),
        }];
        let problems = problems_of(&package, &packages).join("\n");
        assert!(
            problems.contains("depends on pvf-meter-oracle, which is not published"),
            "{problems}"
        );
    }
}
