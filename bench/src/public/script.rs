//! What is done with a program: a short text of calls.
//!
//! ```text
//! at = malloc(100000)             # calls an export; `at` keeps its result
//! @random(at, 100000)             # a function of this benchmark
//! loop i 10                       # ten times; `i` counts from 0 (a name is optional)
//!   hash(at + 64, 1000, "key")    # a text is the address of its bytes, which end with a zero
//!   parse(&"a b c", TABLE)        # address and length: two arguments; TABLE is an exported global
//! end
//! ```
//!
//! Numbers have the type that the function expects. Names are those of results, of counters or of exported globals.
//! Functions of this benchmark:
//!
//! | function | effect |
//! | --- | --- |
//! | `@grow(bytes)` | more memory; its address |
//! | `@random(at, bytes)` | writes bytes without a pattern, the same ones each time |
//! | `@repeat(at, bytes, &"text")` | writes a text over and over |
//! | `@floats(at, count)` | writes `f32` numbers from -1 to 1, the same ones each time |
//! | `@copy(to, from, bytes)` | copies bytes |
//! | `@load32(at)`, `@load64(at)` | reads a number |
//! | `@store8(at, n)`, `@store32(at, n)`, `@store64(at, n)`, `@storef32(at, n)`, `@storef64(at, n)` | writes a number |

/// A line of a script.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// A call whose results are kept under names; of results without a name nothing is kept.
    Call {
        /// The names of the results.
        results: Vec<String>,
        /// The export, or a function of this benchmark (`@name`).
        function: String,
        /// The arguments.
        arguments: Vec<Argument>,
    },
    /// Repeated lines.
    Loop {
        /// The name of the counter.
        counter: Option<String>,
        /// How often.
        count: u32,
        /// The lines.
        body: Vec<Statement>,
    },
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    /// A number of the type that the function expects.
    Number(String),
    /// A named value plus a constant.
    Name(String, i64),
    /// The address of a text.
    Text(Vec<u8>),
    /// The address and the length of a text.
    TextAndLength(Vec<u8>),
}

/// Reads a script.
pub fn parse(text: &str) -> Result<Vec<Statement>, String> {
    let mut open: Vec<(Option<String>, u32)> = Vec::new();
    let mut bodies = vec![Vec::new()];
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let error = |what: &str| format!("line {} of a script: {what}: {line}", number + 1);
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] => {}
            [word, ..] if word.starts_with('#') => {}
            ["loop", ref name @ .., count] if name.len() <= 1 => {
                let count = count.parse().map_err(|_| error("not a count"))?;
                open.push((name.first().map(|&it| it.to_owned()), count));
                bodies.push(Vec::new());
            }
            ["end"] => {
                let (Some((counter, count)), Some(body)) = (open.pop(), bodies.pop()) else {
                    return Err(error("no loop is open"));
                };
                let statement = Statement::Loop {
                    counter,
                    count,
                    body,
                };
                bodies.last_mut().ok_or("no body")?.push(statement);
            }
            _ => {
                let call = call(line).map_err(|what| error(&what))?;
                bodies.last_mut().ok_or("no body")?.push(call);
            }
        }
    }
    match (open.is_empty(), bodies.pop()) {
        (true, Some(body)) => Ok(body),
        _ => Err("a loop of a script has no end".to_owned()),
    }
}

/// `a, b = function(arguments)`.
fn call(line: &str) -> Result<Statement, String> {
    let (head, rest) = line.split_once('(').ok_or("not a call")?;
    let (results, function) = match head.split_once('=') {
        Some((results, function)) => {
            let results = results.split(',').map(|it| it.trim().to_owned());
            (results.collect(), function)
        }
        None => (Vec::new(), head),
    };
    Ok(Statement::Call {
        results,
        function: function.trim().to_owned(),
        arguments: arguments(rest)?,
    })
}

/// The arguments up to the closing parenthesis.
fn arguments(mut rest: &str) -> Result<Vec<Argument>, String> {
    let mut arguments = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.starts_with(')') && arguments.is_empty() {
            return end(&rest[1..], arguments);
        }
        let (argument, after) = argument(rest)?;
        arguments.push(argument);
        rest = after.trim_start();
        match rest.as_bytes().first() {
            Some(b',') => rest = &rest[1..],
            Some(b')') => return end(&rest[1..], arguments),
            _ => return Err("`,` or `)` is missing".to_owned()),
        }
    }
}

fn end(rest: &str, arguments: Vec<Argument>) -> Result<Vec<Argument>, String> {
    let rest = rest.trim_start();
    match rest.is_empty() || rest.starts_with('#') {
        true => Ok(arguments),
        false => Err("text behind a call".to_owned()),
    }
}

fn argument(rest: &str) -> Result<(Argument, &str), String> {
    if let Some(rest) = rest.strip_prefix("&\"") {
        let (text, rest) = quoted(rest)?;
        return Ok((Argument::TextAndLength(text), rest));
    }
    if let Some(rest) = rest.strip_prefix('"') {
        let (text, rest) = quoted(rest)?;
        return Ok((Argument::Text(text), rest));
    }
    let length = rest.find([',', ')']).ok_or("a call does not end")?;
    let (text, rest) = (rest[..length].trim(), &rest[length..]);
    if text.starts_with(|it: char| it.is_ascii_digit() || it == '-') {
        return Ok((Argument::Number(text.to_owned()), rest));
    }
    let Some((name, offset)) = text.split_once('+') else {
        return Ok((Argument::Name(text.to_owned(), 0), rest));
    };
    let offset = offset
        .trim()
        .parse()
        .map_err(|_| "not a number behind `+`")?;
    Ok((Argument::Name(name.trim().to_owned(), offset), rest))
}

/// A text up to its closing quote, with the escapes `\n`, `\r`, `\0`, `\"`, `\\` and `\x7f`.
fn quoted(rest: &str) -> Result<(Vec<u8>, &str), String> {
    let mut text = Vec::new();
    let mut bytes = rest.bytes().enumerate();
    while let Some((index, byte)) = bytes.next() {
        match byte {
            b'"' => return Ok((text, &rest[index + 1..])),
            b'\\' => text.push(match bytes.next() {
                Some((_, b'n')) => b'\n',
                Some((_, b'r')) => b'\r',
                Some((index, b'x')) => {
                    let digits = rest.get(index + 1..index + 3);
                    let byte = digits.and_then(|it| u8::from_str_radix(it, 16).ok());
                    bytes.nth(1);
                    byte.ok_or("an unknown escape")?
                }
                Some((_, b'0')) => 0,
                Some((_, other @ (b'"' | b'\\'))) => other,
                _ => return Err("an unknown escape".to_owned()),
            }),
            other => text.push(other),
        }
    }
    Err("a text does not end".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_loops_and_arguments() {
        let text = "
            # a comment
            a, b = f(1, -2, x + 8, \"t\\n\\x41\", &\"u\")   # a comment
            loop i 3
              $()
              loop 2
                @grow(i)
              end
            end";
        let call = |results: &[&str], function: &str, arguments: &[Argument]| Statement::Call {
            results: results.iter().map(|&it| it.to_owned()).collect(),
            function: function.to_owned(),
            arguments: arguments.to_vec(),
        };
        let name = |name: &str, offset| Argument::Name(name.to_owned(), offset);
        let arguments = [
            Argument::Number("1".to_owned()),
            Argument::Number("-2".to_owned()),
            name("x", 8),
            Argument::Text(b"t\nA".to_vec()),
            Argument::TextAndLength(b"u".to_vec()),
        ];
        let inner = Statement::Loop {
            counter: None,
            count: 2,
            body: vec![call(&[], "@grow", &[name("i", 0)])],
        };
        let expected = [
            call(&["a", "b"], "f", &arguments),
            Statement::Loop {
                counter: Some("i".to_owned()),
                count: 3,
                body: vec![call(&[], "$", &[]), inner],
            },
        ];
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, what) in [
            ("f", "not a call"),
            ("f(", "a call does not end"),
            ("f(1 2", "a call does not end"),
            ("f(\"a)", "a text does not end"),
            ("f(\"\\q\")", "an unknown escape"),
            ("f() g()", "text behind a call"),
            ("f(x + y)", "not a number"),
            ("end", "no loop is open"),
            ("loop x y", "not a count"),
        ] {
            let error = parse(&format!("\n{text}")).unwrap_err();
            assert!(
                error.contains(what) && error.contains("line 2"),
                "{text}: {error}"
            );
        }
        assert!(parse("loop 1\nf()").unwrap_err().contains("no end"));
    }
}
