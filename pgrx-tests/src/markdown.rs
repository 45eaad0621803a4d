//! Pages of the documentation: their fenced blocks, their headings and their links.

use std::collections::BTreeMap;

/// A fenced block.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// The line of its opening fence, counted from 1.
    pub line: usize,
    /// The first word after the fence.
    pub language: String,
    /// The other words there.
    pub marks: Vec<String>,
    /// What it contains.
    pub text: String,
    /// The `text` block that follows with nothing but blank lines between.
    pub output: Option<String>,
}

impl Block {
    fn open(line: usize, information: &str) -> Block {
        let mut words = information.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned);
        Block { line, language: words.next().unwrap_or_default(), marks: words.collect(), ..Block::default() }
    }

    /// Whether it is marked with a word.
    pub fn is_marked(&self, mark: &str) -> bool {
        self.marks.iter().any(|word| word == mark)
    }
}

/// The fenced blocks of a page, in lists too. A `text` block is the output of the block right before it.
pub fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    let mut is_output_expected = false;
    for (number, line) in markdown.lines().enumerate() {
        let (indent, fence) = (line.len() - line.trim_start().len(), line.trim_start().strip_prefix("```"));
        match (&mut open, fence) {
            (Some(_), Some(_)) => {
                let (block, _) = open.take().expect("it is open");
                let is_output = is_output_expected && block.language == "text";
                is_output_expected = !is_output;
                match blocks.last_mut() {
                    Some(last) if is_output => last.output = Some(block.text),
                    _ => blocks.push(block),
                }
            }
            (Some((block, indent)), None) => {
                let text = line.get(*indent..).filter(|_| line[..*indent].trim().is_empty());
                block.text.push_str(text.unwrap_or(line.trim_start()));
                block.text.push('\n');
            }
            (None, Some(information)) => open = Some((Block::open(number + 1, information.trim()), indent)),
            (None, None) => is_output_expected &= line.trim().is_empty(),
        }
    }
    blocks
}

/// The lines outside fenced blocks, with their numbers counted from 1.
pub fn prose(markdown: &str) -> Vec<(usize, &str)> {
    let mut is_fenced = false;
    let is_prose = |&(_, line): &(usize, &str)| {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        !is_fence && !is_fenced
    };
    markdown.lines().enumerate().map(|(number, line)| (number + 1, line)).filter(is_prose).collect()
}

/// The anchors of a page's headings, as code hosts and mdBook make them.
pub fn anchors(markdown: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let headings = prose(markdown).into_iter().filter(|(_, line)| line.starts_with('#'));
    let anchor = |(_, line): (usize, &str)| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|&c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let times = seen.entry(anchor.clone()).or_default();
        *times += 1;
        if *times == 1 { anchor } else { format!("{anchor}-{}", *times - 1) }
    };
    headings.map(anchor).collect()
}

/// The targets of a page's links and images, with the lines where they stand.
pub fn links(markdown: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in prose(markdown) {
        // What stands in code font is no link.
        let text: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for part in text.split("](").skip(1) {
            let target = part.split([')', ' ']).next().unwrap_or_default();
            links.push((number, target.to_owned()));
        }
    }
    links
}

/// Whether a text is what is expected. `...` stands for anything within a line, and on a line of its own for any lines.
pub fn is_as_expected(expected: &str, printed: &str) -> bool {
    let lines = |text: &str| text.trim_matches('\n').lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    are_lines_as_expected(&lines(expected), &lines(printed))
}

fn are_lines_as_expected(expected: &[String], printed: &[String]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((any, rest)) if any.trim() == "..." => {
            (0..=printed.len()).any(|skipped| are_lines_as_expected(rest, &printed[skipped..]))
        }
        Some((first, rest)) => {
            let matches = printed.first().is_some_and(|line| is_line_as_expected(first, line));
            matches && are_lines_as_expected(rest, &printed[1..])
        }
    }
}

fn is_line_as_expected(expected: &str, printed: &str) -> bool {
    let mut parts = expected.split("...");
    let Some(mut rest) = parts.next().and_then(|start| printed.strip_prefix(start)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(end) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(end)
}
