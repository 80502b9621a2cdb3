//! What is wrong with a configuration, for people: message, place, the line itself.

use std::fmt;
use std::path::PathBuf;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The daemon cannot run on it.
    Error,
    /// It can, but perhaps not as meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong, and where. Holds no secret, also not in the excerpt.
#[derive(Debug, Clone)]
pub struct Problem {
    pub severity: Severity,
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// Characters, counted from 1.
    pub column: usize,
    /// `inputs[0].topic`; empty for the whole file.
    pub key: String,
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
    pub(super) excerpt: Option<Excerpt>,
}

/// The line of the file, ready to print, with what is meant marked by its columns.
#[derive(Debug, Clone)]
pub(super) struct Excerpt {
    pub(super) text: String,
    pub(super) indent: usize,
    pub(super) width: usize,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.message)?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, ", did you mean `{suggestion}`?")?;
        }
        let margin = self.line.to_string().len();
        let file = self.file.display();
        write!(f, "\n{:margin$}--> {file}:{}:{}", "", self.line, self.column)?;
        let Some(Excerpt { text, indent, width }) = &self.excerpt else { return Ok(()) };
        write!(f, "\n{:margin$} |", "")?;
        write!(f, "\n{} | {text}", self.line)?;
        write!(f, "\n{:margin$} | {:indent$}{:^<width$}", "", "", "")
    }
}

/// Everything that is wrong with a file, in its order.
#[derive(Debug, Clone, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter().filter(|p| p.severity == Severity::Error)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            let gap = if number == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_its_line() {
        let text = "  compresion.type: zstd".into();
        let problem = Problem {
            severity: Severity::Error,
            file: "tailspool.yaml".into(),
            line: 4,
            column: 3,
            key: "kafka.compresion.type".into(),
            message: "unknown key `compresion.type`".into(),
            suggestion: Some("compression.type".into()),
            excerpt: Some(Excerpt { text, indent: 2, width: 15 }),
        };
        let lines = [
            "error: unknown key `compresion.type`, did you mean `compression.type`?",
            " --> tailspool.yaml:4:3",
            "  |",
            "4 |   compresion.type: zstd",
            "  |   ^^^^^^^^^^^^^^^",
        ];
        assert_eq!(problem.to_string(), lines.join("\n"));
    }
}
