//! Tests the documentation: its blocks run, its generated pages are up to date, its links lead somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use harness::page::{Reader, pages};
use harness::{NEWEST, Server, markdown, paths};

/// Made by scripts/docs, which runs their examples.
const GENERATED: [&str; 3] = ["docs/reference.md", "docs/schema.md", "docs/errors.md"];

fn follow(name: &str, page: &str) -> Vec<String> {
    Reader::new().follow(page).into_iter().map(|difference| format!("{name}, {difference}")).collect()
}

#[test]
fn the_readme_prints_what_it_says() {
    let (name, readme) = pages().swap_remove(0);
    let blocks = markdown::blocks(&readme);
    let sql: Vec<_> = blocks.iter().filter(|block| block.language == "sql").collect();
    assert!(sql.len() > 3);
    sql.iter().for_each(|block| assert!(block.output.is_some(), "no output follows\n{}", block.text));
    let differences = follow(&name, &readme);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The number of pages that are followed at a time: following a page is mostly waiting for programs to start.
const READERS: usize = 4;

/// DOCS_PAGE=cookbook.md runs one page alone. psql and the catalogs print things differently on other versions, so
/// the pages show the output of the newest.
#[test]
fn every_block_of_every_page_does_what_the_page_says() {
    if paths::major() != NEWEST {
        return;
    }
    let only = std::env::var("DOCS_PAGE").unwrap_or_default();
    let is_wanted = |(name, page): &&(String, String)| {
        let is_followed_elsewhere = GENERATED.contains(&name.as_str()) || page.contains("\n<!-- no-run: ");
        name.starts_with("docs/") && name.ends_with(&only) && !is_followed_elsewhere
    };
    let pages = pages();
    let waiting = Mutex::new(pages.iter().filter(is_wanted));
    let next = || waiting.lock().unwrap().next();
    let read = || std::iter::from_fn(next).flat_map(|(name, page)| follow(name, page)).collect::<Vec<_>>();
    let differences: Vec<String> = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(read)).collect();
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
    });
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_generated_pages_are_up_to_date() {
    if paths::major() != NEWEST {
        return;
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(paths::cache().join("venv/bin/python"))
        .args(["scripts/docs", "--check"])
        .current_dir(paths::root())
        .env("PATH", format!("{}:{path}", paths::programs(paths::major()).display()))
        .env("PGHOST", Server::shared().folder())
        .env("PGUSER", "postgres")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("run scripts/setup.sh python first");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_demo_prints_what_the_readme_shows_of_it() {
    let server = Server::shared();
    server.create_database("demo");
    let demo = paths::root().join("demo/demo.sql");
    let arguments = ["-X", "-v", "ON_ERROR_STOP=1", "-d", "demo", "-f", demo.to_str().unwrap()];
    let printed = server.run("psql", &arguments);
    let (_, readme) = pages().swap_remove(0);
    let shown = markdown::blocks(&readme).into_iter().find(|block| block.text.starts_with("$ make demo")).unwrap();
    let mut rest = printed.as_str();
    for line in shown.text.lines().skip(1) {
        let found = rest.find(&format!("{line}\n"));
        let position = found.unwrap_or_else(|| panic!("not printed, or not in this order:\n{line}\n\n{printed}"));
        rest = &rest[position + line.len()..];
    }
}

/// A path without `..` and `.`.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut whole, component| {
        match component {
            Component::ParentDir => drop(whole.pop()),
            Component::CurDir => {}
            other => whole.push(other),
        }
        whole
    })
}

/// The reason why a link is broken, if it is.
fn problem_of(target: &str, page: &str, anchors: &BTreeMap<String, Vec<String>>) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = Path::new(page).parent().expect("it is a file");
    let file = if path.is_empty() { PathBuf::from(page) } else { normal(&folder.join(path)) };
    if !paths::root().join(&file).exists() {
        return Some("there is no such file".to_owned());
    }
    if page.starts_with("docs/") && !file.starts_with("docs") {
        return Some("the site has only what is in docs/".to_owned());
    }
    let known = anchors.get(&*file.to_string_lossy());
    let is_anchor = anchor.is_empty() || known.is_some_and(|known| known.iter().any(|known| known == anchor));
    (!is_anchor).then(|| "there is no such heading".to_owned())
}

#[test]
fn every_link_leads_somewhere() {
    let mut pages = pages();
    for name in ["CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CODE_OF_CONDUCT.md"] {
        pages.push((name.to_owned(), std::fs::read_to_string(paths::root().join(name)).unwrap()));
    }
    let anchors = pages.iter().map(|(name, page)| (name.clone(), markdown::anchors(page))).collect();
    let mut problems = Vec::new();
    for (name, page) in &pages {
        for (line, target) in markdown::links(page) {
            problems.extend(problem_of(&target, name, &anchors).map(|why| format!("{name}:{line}: {target}: {why}")));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let pages = pages();
    let (_, summary) = pages.iter().find(|(name, _)| name == "docs/SUMMARY.md").expect("mdBook reads it");
    let listed: BTreeSet<_> =
        markdown::links(summary).into_iter().map(|(_, target)| format!("docs/{target}")).collect();
    let there =
        pages.iter().map(|(name, _)| name.clone()).filter(|name| !name.ends_with("SUMMARY.md") && name != "README.md");
    let missing: Vec<_> = there.filter(|name| !listed.contains(name)).collect();
    assert!(missing.is_empty(), "not in docs/SUMMARY.md: {missing:?}");
}

/// The heads of tables that no line of dashes follows: readers would see the bars as text.
fn tables_without_a_rule(page: &str) -> Vec<&str> {
    let is_rule = |line: &str| line.contains('-') && line.chars().all(|character| "|-: ".contains(character));
    let (mut is_code, mut last, mut heads) = (false, "", Vec::new());
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        is_code ^= line.trim_start().starts_with("```");
        let is_head = !is_code && line.starts_with('|') && !last.starts_with('|');
        if is_head && !lines.peek().is_some_and(|next| is_rule(next)) {
            heads.push(line);
        }
        last = line;
    }
    heads
}

#[test]
fn every_table_has_a_rule_under_its_head() {
    assert_eq!(tables_without_a_rule("| a | b |\n| c | d |\n\n| e |\n|---|\n| f |\n"), ["| a | b |"]);
    let mut pages = pages();
    for name in ["CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"] {
        pages.push((name.to_owned(), std::fs::read_to_string(paths::root().join(name)).unwrap()));
    }
    let problems = pages
        .iter()
        .flat_map(|(name, page)| tables_without_a_rule(page).into_iter().map(move |head| format!("{name}: {head}")));
    assert_eq!(problems.collect::<Vec<_>>(), Vec::<String>::new());
}

const PAGE: &str = "# A page\n\nSee [it](#a-page) and `[not](it)`.\n\n```sql fresh\nSELECT 1;\n```\n\n```text\n1\n```\n\n\
                    ## The `b` of it\n\n1. In a list\n   ```sh\n   true\n   ```\n\nProse.\n\n```text\nno output\n```\n";

#[test]
fn blocks_have_their_output() {
    let blocks = markdown::blocks(PAGE);
    let summary: Vec<_> = blocks.iter().map(|b| (b.line, b.language.as_str(), b.text.as_str())).collect();
    assert_eq!(summary, [(5, "sql", "SELECT 1;\n"), (16, "sh", "true\n"), (22, "text", "no output\n")]);
    assert!(blocks[0].is_marked("fresh") && !blocks[1].is_marked("fresh"));
    assert_eq!(blocks[0].output.as_deref(), Some("1\n"));
    assert_eq!(blocks[1].output, None);
}

#[test]
fn links_and_anchors_are_found() {
    assert_eq!(markdown::links(PAGE), [(3, "#a-page".to_owned())]);
    assert_eq!(markdown::anchors(PAGE), ["a-page", "the-b-of-it"]);
    assert_eq!(markdown::anchors("# x\n# x\n"), ["x", "x-1"]);
}

#[test]
fn dots_stand_for_anything() {
    assert!(markdown::is_as_expected("a\nb", "a \nb\n"));
    assert!(markdown::is_as_expected("job ... of ...\n...\nend", "job 1 of 2\nx\ny\nend"));
    assert!(!markdown::is_as_expected("a\n...", "b"));
    assert!(!markdown::is_as_expected("a", "ab"));
    assert!(!markdown::is_as_expected("a...c", "abd"));
}
