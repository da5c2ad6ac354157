//! Tables for people.

/// A table with a title and headings. The first column is left-aligned, the others are right-aligned.
#[derive(Clone, Debug)]
pub struct Table {
    /// The title.
    pub title: String,
    /// Headings and rows.
    pub rows: Vec<Vec<String>>,
    /// Notes below the table.
    pub notes: Vec<String>,
}

impl Table {
    /// A table with these headings.
    pub fn new(title: &str, headings: impl IntoIterator<Item = impl ToString>) -> Self {
        Self {
            title: title.to_owned(),
            rows: vec![headings.into_iter().map(|it| it.to_string()).collect()],
            notes: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Whether the table has no rows besides the headings.
    pub fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// The rows as Markdown with aligned columns.
    pub fn markdown(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
        let width = |column| {
            let lengths = self
                .rows
                .iter()
                .map(|row| cell(row, column).chars().count());
            lengths.max().unwrap_or(0).max(3)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            let cells = widths
                .iter()
                .enumerate()
                .map(|(column, &width)| match column {
                    0 => format!("{:<width$}", cell(row, column)),
                    _ => format!("{:>width$}", cell(row, column)),
                });
            text += &format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
            if index == 0 {
                let rules = widths
                    .iter()
                    .enumerate()
                    .map(|(column, &width)| match column {
                        0 => "-".repeat(width),
                        _ => format!("{}:", "-".repeat(width - 1)),
                    });
                text += &format!("| {} |\n", rules.collect::<Vec<_>>().join(" | "));
            }
        }
        text
    }

    /// Prints the table with its title and notes, unless it is empty.
    pub fn print(&self) {
        if self.is_empty() {
            return;
        }
        println!("\n{}\n\n{}", self.title, self.markdown());
        for note in &self.notes {
            println!("{note}");
        }
    }
}

/// A number with this many decimals, or a dash.
pub fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new("numbers", ["name", "ms"]);
        table.row(vec!["π".into(), number(Some(1.0 / 3.0), 2)]);
        table.row(vec!["longer".into(), number(None, 2)]);
        let text = "| name   |   ms |\n| ------ | ---: |\n| π      | 0.33 |\n| longer |    - |\n";
        assert_eq!(table.markdown(), text);
    }
}
