//! Looks at Rust source as far as the rules need: what is code, and where the tests begin.

/// The lines of a file with comments, strings and characters blanked out.
pub(crate) fn code_lines(source: &str) -> Vec<String> {
    blank(source).lines().map(str::to_owned).collect()
}

/// The number of lines before a test module at the end of the file.
pub(crate) fn lines_before_tests(source: &str) -> usize {
    let lines: Vec<&str> = source.lines().collect();
    let starts_tests = |index: usize| {
        lines[index] == "#[cfg(test)]"
            && lines[index + 1..]
                .iter()
                .find(|line| !line.starts_with("#["))
                .is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    };
    (0..lines.len()).find(|index| starts_tests(*index)).unwrap_or(lines.len())
}

/// Whether `word` stands in `line` by itself, not as a part of a longer name.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let opens = word.starts_with(is_name) && before.is_some_and(is_name);
        let goes_on = word.ends_with(is_name) && after.is_some_and(is_name);
        !opens && !goes_on
    })
}

/// Replaces everything in comments, strings and character literals by spaces, keeping the lines.
fn blank(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let name_before = code.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment_len(rest)
        } else if let Some(len) = (!name_before).then(|| raw_string_len(rest)).flatten() {
            len
        } else if first == '"' {
            quoted_len(rest, '"')
        } else if first == '\'' {
            character_len(rest)
        } else {
            0
        };
        if len == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..len].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[len..];
        }
    }
    code
}

fn block_comment_len(rest: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of `r"..."`, `r#"..."#`, `br"..."` and so on, if one starts here.
fn raw_string_len(rest: &str) -> Option<usize> {
    let after_r =
        rest.strip_prefix("br").or_else(|| rest.strip_prefix("cr")).or_else(|| rest.strip_prefix('r'))?;
    let hashes = after_r.len() - after_r.trim_start_matches('#').len();
    let body = after_r[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - body.len();
    Some(body.find(&end).map_or(rest.len(), |at| start + at + end.len()))
}

/// The length of a literal that opens and closes with `quote`, with backslash escapes.
fn quoted_len(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// The length of a character literal, or 0 if the quote starts a lifetime.
fn character_len(rest: &str) -> usize {
    let mut chars = rest.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => quoted_len(rest, '\''),
        (Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, code: &str) {
        assert_eq!(blank(source), code, "{source}");
    }

    #[test]
    fn comments_and_literals_are_blanked_and_code_stays() {
        check("a // b\nc", "a     \nc");
        check("a /* b /* c */ d */ e", "a                   e");
        check(r#"f("x\"y", 'z', '\'')"#, "f(      ,    ,     )");
        check("r#\"un\"safe\"# b", "             b");
        check("br\"x\" for", "      for");
        check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}");
        check("var\"x\"", "var   ");
    }

    #[test]
    fn tests_at_the_end_are_not_counted() {
        assert_eq!(lines_before_tests("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), 2);
        assert_eq!(lines_before_tests("a\n#[cfg(test)]\nmod tests;\nb\n"), 4);
        assert_eq!(lines_before_tests("a\nb\n"), 2);
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("let x = unsafe {", "unsafe"));
        assert!(!has_word("forbid(unsafe_code)", "unsafe"));
        assert!(has_word("Instant::now()", "Instant::now"));
        assert!(!has_word("thread_rngs()", "thread_rng"));
        assert!(has_word("todo!()", "todo!"));
    }
}
