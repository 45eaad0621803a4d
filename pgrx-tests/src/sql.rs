//! Splits SQL scripts into statements.

/// The statements of a script without their semicolons. Comments are left out, except in the bodies of functions.
pub fn statements(script: &str) -> Vec<String> {
    let mut reader = Reader { rest: script, statement: String::new(), blocks: 0 };
    let mut statements = Vec::new();
    while let Some(is_end) = reader.step() {
        if is_end {
            statements.push(tidied(&std::mem::take(&mut reader.statement)));
        }
    }
    assert!(reader.statement.trim().is_empty(), "the last statement does not end: {}", reader.statement);
    statements
}

/// Without the blanks that comments leave at the ends of lines.
fn tidied(statement: &str) -> String {
    if statement.contains('$') {
        return statement.trim().to_owned();
    }
    statement.trim().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

struct Reader<'a> {
    rest: &'a str,
    statement: String,
    /// The number of BEGIN ATOMIC and CASE without an END so far.
    blocks: usize,
}

impl Reader<'_> {
    /// Reads a word, a quoted text, a comment or a character. `None` at the end; otherwise whether it ends the
    /// statement.
    fn step(&mut self) -> Option<bool> {
        let first = self.rest.chars().next()?;
        let second = self.rest[first.len_utf8()..].chars().next();
        match (first, second) {
            ('-', Some('-')) => {
                let length = self.rest.find('\n').unwrap_or(self.rest.len());
                if self.blocks > 0 { self.keep(length) } else { self.skip(length) }
            }
            ('/', Some('*')) => self.skip(self.after("*/", 2)),
            ('\'', _) | ('"', _) => self.keep(self.after(&first.to_string(), 1)),
            ('$', Some(next)) if next == '$' || next.is_alphabetic() => {
                let tag = &self.rest[..self.after("$", 1)];
                self.keep(self.after(tag, tag.len()));
            }
            (';', _) if self.blocks == 0 => {
                self.skip(1);
                return Some(true);
            }
            (letter, _) if letter.is_alphanumeric() || letter == '_' => self.word(),
            _ => self.keep(first.len_utf8()),
        }
        Some(false)
    }

    fn word(&mut self) {
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(self.rest.len());
        match &self.rest[..end] {
            "BEGIN" if self.rest[end..].starts_with(" ATOMIC") => self.blocks += 1,
            "CASE" if self.blocks > 0 => self.blocks += 1,
            "END" if self.blocks > 0 => self.blocks -= 1,
            _ => {}
        }
        self.keep(end);
    }

    /// The length of the rest up to the end of a closing text, which is searched for after this many bytes.
    fn after(&self, closing: &str, from: usize) -> usize {
        let found = self.rest[from..].find(closing);
        from + found.unwrap_or_else(|| panic!("{closing} is missing after {:.40}", self.rest)) + closing.len()
    }

    fn keep(&mut self, length: usize) {
        self.statement += &self.rest[..length];
        self.skip(length);
    }

    fn skip(&mut self, length: usize) {
        self.rest = &self.rest[length..];
    }
}
