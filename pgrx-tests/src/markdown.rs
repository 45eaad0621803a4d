//! Pages of the documentation: their fenced blocks, their headings and their links.

use std::collections::BTreeMap;
use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

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
    /// The `text` block that follows it, with only blank lines between.
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

/// The parts of a page, with the beginning and end of each.
fn parts(markdown: &str) -> impl Iterator<Item = (Event<'_>, Range<usize>)> {
    Parser::new_ext(markdown, Options::ENABLE_TABLES).into_offset_iter()
}

fn line_of(markdown: &str, place: usize) -> usize {
    markdown[..place].matches('\n').count() + 1
}

/// The fenced blocks of a page, including those in lists. A `text` block is the output of the block right before it.
pub fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut open, mut is_output_expected) = (None, false);
    for (part, range) in parts(markdown) {
        match part {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(information))) => {
                open = Some(Block::open(line_of(markdown, range.start), &information));
            }
            Event::End(TagEnd::CodeBlock) => {
                let Some(block) = open.take() else { continue };
                let is_output = is_output_expected && block.language == "text";
                is_output_expected = !is_output;
                match blocks.last_mut() {
                    Some(last) if is_output => last.output = Some(block.text),
                    _ => blocks.push(block),
                }
            }
            Event::End(_) => {}
            other => match (&mut open, other) {
                (Some(block), Event::Text(text)) => block.text.push_str(&text),
                _ => is_output_expected = false,
            },
        }
    }
    blocks
}

/// The anchors of a page's headings, as code hosts and mdBook create them.
pub fn anchors(markdown: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = Vec::new();
    let mut heading: Option<String> = None;
    for (part, _) in parts(markdown) {
        match (part, &mut heading) {
            (Event::Start(Tag::Heading { .. }), _) => heading = Some(String::new()),
            (Event::Text(text) | Event::Code(text), Some(heading)) => heading.push_str(&text),
            (Event::End(TagEnd::Heading(_)), _) => {
                let anchor = anchor(&heading.take().unwrap_or_default());
                let times = seen.entry(anchor.clone()).or_default();
                anchors.push(if *times == 0 { anchor } else { format!("{anchor}-{times}") });
                *times += 1;
            }
            _ => {}
        }
    }
    anchors
}

fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|&c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The targets of a page's links and images, with their line numbers.
pub fn links(markdown: &str) -> Vec<(usize, String)> {
    let target = |(part, range): (Event, Range<usize>)| match part {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some((line_of(markdown, range.start), dest_url.to_string()))
        }
        _ => None,
    };
    parts(markdown).filter_map(target).collect()
}

/// Whether a text is as expected. `...` matches anything within a line, and on a line of its own any lines.
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
