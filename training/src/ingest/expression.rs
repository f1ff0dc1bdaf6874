//! Expressions of a spec, as `if(starts_with(InvoiceNo, 'C'), 'return', 'purchase')`: parsed here, and
//! worked out by `evaluate`. A column's name is the simplest one. No loops, no dates, no SQL.
//!
//! ```text
//! or  <  and  <  not  <  = != < <= > >=  <  + -  <  * /  <  unary -  <  value, name, f(...), (...)
//! ```

use std::fmt;

use rekindle_models::frame::nearest_name;

/// An expression over the columns of a log.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// A column, or a path into a JSON object as `properties.revenue`.
    Column(String),
    Number(f64),
    Text(String),
    Truth(bool),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    Binary(Operator, Box<[Expression; 2]>),
    Call(Function, Vec<Expression>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    Plus,
    Minus,
    Times,
    Divided,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    If,
    IsMissing,
    /// Whether the first equals any of the others, which are texts and numbers as they stand.
    In,
    Coalesce,
    Concat,
    Abs,
    Lower,
    StartsWith,
    EndsWith,
    Contains,
}

/// Names of functions with the fewest and most arguments.
const FUNCTIONS: [(&str, Function, usize, usize); 10] = [
    ("if", Function::If, 3, 3),
    ("is_missing", Function::IsMissing, 1, 1),
    ("in", Function::In, 2, 10_000),
    ("coalesce", Function::Coalesce, 2, 16),
    ("concat", Function::Concat, 2, 16),
    ("abs", Function::Abs, 1, 1),
    ("lower", Function::Lower, 1, 1),
    ("starts_with", Function::StartsWith, 2, 2),
    ("ends_with", Function::EndsWith, 2, 2),
    ("contains", Function::Contains, 2, 2),
];

/// How deep an expression may be nested: deeper ones would need much stack.
const MOST_DEPTH: usize = 64;
/// Most operators of an expression: each of a chain as `a or b or c` is a level of its tree.
const MOST_OPERATORS: usize = 500;

/// What is wrong with an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// The character, from 1.
    at: usize,
    found: String,
    expected: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unreadable { at, found, expected } = self;
        write!(f, "at character {at} found {found}, expected {expected}")
    }
}

type Parsed<T> = std::result::Result<T, Unreadable>;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64),
    Text(String),
    Name(String),
    /// A name in backquotes: always a column.
    Quoted(String),
    Sign(&'static str),
    End,
}

const SIGNS: [&str; 15] =
    ["==", "!=", "<>", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "(", ")", ","];

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &str) -> Parsed<Expression> {
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens, place: 0, depth: 0, operators: 0 };
        let expression = parser.expression(0)?;
        match parser.peek() {
            Token::End => Ok(expression),
            _ => Err(parser.expected(
                "an operator or the end; write names that are not plain words in backquotes, as `Order Date`",
            )),
        }
    }

    /// The columns it reads, each as often as it is named.
    pub fn columns<'a>(&'a self, into: &mut Vec<&'a str>) {
        match self {
            Expression::Column(name) => into.push(name),
            Expression::Number(_) | Expression::Text(_) | Expression::Truth(_) => {}
            Expression::Not(of) | Expression::Negative(of) => of.columns(into),
            Expression::Binary(_, sides) => sides.iter().for_each(|side| side.columns(into)),
            Expression::Call(_, arguments) => arguments.iter().for_each(|a| a.columns(into)),
        }
    }
}

/// The tokens with the character each begins at, from 1.
fn tokens(text: &str) -> Parsed<Vec<(usize, Token)>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let at = text[..text.len() - rest.len()].chars().count() + 1;
        let Some(first) = rest.chars().next() else {
            tokens.push((at, Token::End));
            return Ok(tokens);
        };
        let (token, length) = if matches!(first, '\'' | '"' | '`') {
            quoted(rest, first).ok_or_else(|| Unreadable {
                at,
                found: format!("a {first} that is not closed"),
                expected: "another one".to_owned(),
            })?
        } else if first.is_ascii_digit() {
            let end = |c: char| !(c.is_ascii_alphanumeric() || c == '.');
            let length = rest.find(end).unwrap_or(rest.len());
            let number = rest[..length].parse().map_err(|_| Unreadable {
                at,
                found: format!("{:?}", &rest[..length]),
                expected: "a number".to_owned(),
            })?;
            (Token::Number(number), length)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Token::Sign(sign), sign.len())
        } else if first.is_alphabetic() || matches!(first, '_' | '$' | '@') {
            let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '$' | '@');
            let length = rest.find(|c| !part(c)).unwrap_or(rest.len());
            (Token::Name(rest[..length].to_owned()), length)
        } else {
            return Err(Unreadable {
                at,
                found: format!("{first:?}"),
                expected: "a column, a number, 'text' or an operator".to_owned(),
            });
        };
        tokens.push((at, token));
        rest = &rest[length..];
    }
}

/// A text up to its closing quote, which stands for itself when doubled.
fn quoted(rest: &str, quote: char) -> Option<(Token, usize)> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((place, c)) = characters.next() {
        if c != quote {
            text.push(c);
        } else if characters.peek().is_some_and(|(_, next)| *next == quote) {
            text.push(quote);
            characters.next();
        } else {
            let token = if quote == '`' { Token::Quoted(text) } else { Token::Text(text) };
            return Some((token, place + 1));
        }
    }
    None
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    place: usize,
    depth: usize,
    operators: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.place].1
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        // The last token is the end, and stays.
        self.place = (self.place + 1).min(self.tokens.len() - 1);
        token
    }

    fn expected(&self, expected: &str) -> Unreadable {
        let (at, token) = &self.tokens[self.place];
        let found = match token {
            Token::Number(number) => number.to_string(),
            Token::Text(text) => format!("'{text}'"),
            Token::Name(name) | Token::Quoted(name) => format!("`{name}`"),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::End => "the end".to_owned(),
        };
        Unreadable { at: *at, found, expected: expected.to_owned() }
    }

    fn take(&mut self, sign: &'static str) -> Parsed<()> {
        match *self.peek() == Token::Sign(sign) {
            true => {
                self.next();
                Ok(())
            }
            false => Err(self.expected(&format!("`{sign}`"))),
        }
    }

    /// An expression of operators that bind at least as tightly as `least`.
    fn expression(&mut self, least: u8) -> Parsed<Expression> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(self.expected("an expression that is nested less deeply"));
        }
        let mut left = self.operand()?;
        while let Some((operator, strength)) = self.operator().filter(|(_, s)| *s >= least) {
            self.operators += 1;
            if self.operators > MOST_OPERATORS {
                return Err(self.expected(&format!(
                    "at most {MOST_OPERATORS} operators; in(column, 'a', 'b') tells many values"
                )));
            }
            self.next();
            let right = self.expression(strength + 1)?;
            left = Expression::Binary(operator, Box::new([left, right]));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operator(&self) -> Option<(Operator, u8)> {
        use Operator::*;
        Some(match self.peek() {
            Token::Name(name) if name == "or" => (Or, 1),
            Token::Name(name) if name == "and" => (And, 2),
            Token::Sign(sign) => match *sign {
                "=" | "==" => (Equal, 4),
                "!=" | "<>" => (NotEqual, 4),
                "<" => (Less, 4),
                "<=" => (LessOrEqual, 4),
                ">" => (More, 4),
                ">=" => (MoreOrEqual, 4),
                "+" => (Plus, 5),
                "-" => (Minus, 5),
                "*" => (Times, 6),
                "/" => (Divided, 6),
                _ => return None,
            },
            _ => return None,
        })
    }

    fn operand(&mut self) -> Parsed<Expression> {
        let wanted = "a column, a number, 'text' or `(`";
        match self.peek().clone() {
            Token::Number(number) => self.after(Expression::Number(number)),
            Token::Text(text) => self.after(Expression::Text(text)),
            Token::Quoted(name) => self.after(Expression::Column(name)),
            Token::Sign("-") => {
                self.next();
                Ok(Expression::Negative(Box::new(self.expression(7)?)))
            }
            Token::Sign("(") => {
                self.next();
                let inner = self.expression(0)?;
                self.take(")")?;
                Ok(inner)
            }
            Token::Name(name) => match name.as_str() {
                "not" => {
                    self.next();
                    Ok(Expression::Not(Box::new(self.expression(3)?)))
                }
                "true" | "false" => self.after(Expression::Truth(name == "true")),
                "and" | "or" => Err(self.expected(wanted)),
                _ => self.name(name),
            },
            Token::Sign(_) | Token::End => Err(self.expected(wanted)),
        }
    }

    fn after(&mut self, expression: Expression) -> Parsed<Expression> {
        self.next();
        Ok(expression)
    }

    /// A column, or a function where a parenthesis follows.
    fn name(&mut self, name: String) -> Parsed<Expression> {
        let known = FUNCTIONS.iter().find(|(known, ..)| *known == name);
        let unknown = self.expected(&unknown_function(&name));
        self.next();
        if *self.peek() != Token::Sign("(") {
            return Ok(Expression::Column(name));
        }
        let Some(&(_, function, fewest, most)) = known else { return Err(unknown) };
        self.next();
        let mut arguments = vec![self.expression(0)?];
        while *self.peek() == Token::Sign(",") {
            self.next();
            let argument = match function {
                Function::In => self.constant()?,
                _ => self.expression(0)?,
            };
            arguments.push(argument);
        }
        if !(fewest..=most).contains(&arguments.len()) {
            let number = if fewest == most { String::new() } else { format!(" to {most}") };
            let given = arguments.len();
            return Err(
                self.expected(&format!("{fewest}{number} arguments of {name} (there are {given})"))
            );
        }
        self.take(")")?;
        Ok(Expression::Call(function, arguments))
    }

    /// A text or a number as it stands.
    fn constant(&mut self) -> Parsed<Expression> {
        let negative = *self.peek() == Token::Sign("-");
        if negative {
            self.next();
        }
        match self.peek().clone() {
            Token::Number(n) => self.after(Expression::Number(if negative { -n } else { n })),
            Token::Text(text) if !negative => self.after(Expression::Text(text)),
            _ => Err(self.expected("a 'text' or a number, as in(column, 'a', 'b')")),
        }
    }
}

fn unknown_function(name: &str) -> String {
    let names = FUNCTIONS.iter().map(|(known, ..)| *known);
    let near = nearest_name(name, names.clone());
    let near = near.map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
    format!("a function{near}: {}", names.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expression with all its parentheses.
    fn shown(expression: &Expression) -> String {
        let list = |all: &[Expression]| all.iter().map(shown).collect::<Vec<_>>().join(", ");
        match expression {
            Expression::Column(name) => name.clone(),
            Expression::Number(number) => number.to_string(),
            Expression::Text(text) => format!("'{text}'"),
            Expression::Truth(truth) => truth.to_string(),
            Expression::Not(of) => format!("(not {})", shown(of)),
            Expression::Negative(of) => format!("(-{})", shown(of)),
            Expression::Binary(operator, sides) => {
                format!("({operator:?} {})", list(&sides[..]))
            }
            Expression::Call(function, arguments) => format!("{function:?}({})", list(arguments)),
        }
    }

    #[test]
    fn operators_bind_as_everywhere() {
        let check = |text: &str, expected: &str| {
            assert_eq!(shown(&Expression::parse(text).unwrap()), expected, "{text}");
        };
        check("Quantity", "Quantity");
        check("properties.revenue", "properties.revenue");
        check("`Order Date`", "Order Date");
        check("a - b - c * d", "(Minus (Minus a, b), (Times c, d))");
        check("-a * b", "(Times (-a), b)");
        check("a = 1 and not b < 2 or c", "(Or (And (Equal a, 1), (not (Less b, 2))), c)");
        check("(a or b) and c", "(And (Or a, b), c)");
        check("if(a<>'it''s', 'x', \"y\")", "If((NotEqual a, 'it's'), 'x', 'y')");
        check("abs(-1.5e2)", "Abs((-150))");
        check("if", "if");
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let check = |text: &str, expected: &str| {
            let error = Expression::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("a +", "at character 4 found the end, expected a column");
        check("Order Date", "at character 7 found `Date`, expected an operator or the end");
        check("'abc", "at character 1 found a ' that is not closed");
        check("start_with(a, 'b')", "did you mean starts_with?");
        check("if(a, b)", "3 arguments of if (there are 2)");
        check("coalesce(a)", "2 to 16 arguments");
        check("a ; b", "at character 3 found ';'");
        check("1x", "expected a number");
        check("(a", "found the end, expected `)`");
        check("", "found the end");
        check(&"(".repeat(500), "nested less deeply");
        check(&"-".repeat(100_000), "nested less deeply");
        check(&chain(501), "at character 6510 found `or`, expected at most 500 operators");
        check(&chain(10_000), "at most 500 operators");
        check("in(a)", "2 to 10000 arguments of in (there are 1)");
        check("in(a, b)", "at character 7 found `b`, expected a 'text' or a number");
    }

    /// So many operators in a row.
    fn chain(operators: usize) -> String {
        format!("abcdefgh{}", " or abcdefghi".repeat(operators))
    }

    #[test]
    fn the_longest_chain_needs_little_stack() {
        let work = || {
            let expression = Expression::parse(&chain(MOST_OPERATORS)).unwrap();
            let mut columns = Vec::new();
            expression.columns(&mut columns);
            assert_eq!(columns.len(), MOST_OPERATORS + 1);
            let rows = arrow_array::RecordBatch::new_empty(arrow_schema::Schema::empty().into());
            crate::ingest::evaluate::evaluate(&expression, &rows, &mut Vec::new());
        };
        // A quarter of what threads have.
        let thread = std::thread::Builder::new().stack_size(512 << 10);
        thread.spawn(work).unwrap().join().unwrap();
    }

    #[test]
    fn columns_are_listed() {
        let expression = Expression::parse("if(a > 1, b * -c, 'd') = e.f and not g").unwrap();
        let mut columns = Vec::new();
        expression.columns(&mut columns);
        assert_eq!(columns, ["a", "b", "c", "e.f", "g"]);
    }
}
