//! Expressions over the rows of a batch, a column at a time. Missing cells make missing results; a text
//! that should have been a number is missing too, and its row is marked.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType};

use crate::ingest::expression::{Expression, Function, Operator};

/// What an expression is for each row.
#[derive(Debug, Clone)]
pub(super) enum Cells {
    /// A column as it stands in the file.
    Column(ArrayRef),
    /// Numbers, NaN where missing.
    Numbers(Vec<f64>),
    Texts(StringArray),
    Truths(Vec<Option<bool>>),
}

/// Rows in which a text stands where a number should be.
pub(super) type NotNumbers = Vec<bool>;

/// Works out an expression. A column that the batch does not have is missing everywhere.
pub(super) fn evaluate(of: &Expression, rows: &RecordBatch, bad: &mut NotNumbers) -> Cells {
    let n = rows.num_rows();
    match of {
        Expression::Column(name) => match rows.column_by_name(name) {
            Some(column) => Cells::Column(Arc::clone(column)),
            None => Cells::Numbers(vec![f64::NAN; n]),
        },
        Expression::Number(number) => Cells::Numbers(vec![*number; n]),
        Expression::Text(text) => Cells::Texts(std::iter::repeat_n(Some(text), n).collect()),
        Expression::Truth(truth) => Cells::Truths(vec![Some(*truth); n]),
        Expression::Not(of) => {
            let truths = evaluate(of, rows, bad).truths();
            Cells::Truths(truths.into_iter().map(|truth| truth.map(|t| !t)).collect())
        }
        Expression::Negative(of) => {
            let numbers = evaluate(of, rows, bad).numbers(bad);
            Cells::Numbers(numbers.into_iter().map(|number| -number).collect())
        }
        Expression::Binary(operator, sides) => {
            let [left, right] = &**sides;
            let sides = (evaluate(left, rows, bad), evaluate(right, rows, bad));
            binary(*operator, sides, bad)
        }
        Expression::Call(function, arguments) => call(*function, arguments, rows, bad),
    }
}

fn binary(operator: Operator, (left, right): (Cells, Cells), bad: &mut NotNumbers) -> Cells {
    use Operator::*;
    match operator {
        Or | And => {
            // One side may settle it although the other is missing.
            let settles = operator == Or;
            let both = left.truths().into_iter().zip(right.truths());
            Cells::Truths(
                both.map(|(a, b)| match (a, b) {
                    _ if a == Some(settles) || b == Some(settles) => Some(settles),
                    (Some(_), Some(_)) => Some(!settles),
                    _ => None,
                })
                .collect(),
            )
        }
        Plus | Minus | Times | Divided => {
            let both = left.numbers(bad).into_iter().zip(right.numbers(bad));
            let of = |(a, b): (f64, f64)| match operator {
                Plus => a + b,
                Minus => a - b,
                Times => a * b,
                // There is no number for it: missing, as nothing was there.
                _ if b == 0.0 => f64::NAN,
                _ => a / b,
            };
            Cells::Numbers(both.map(of).collect())
        }
        Equal | NotEqual | Less | LessOrEqual | More | MoreOrEqual => {
            Cells::Truths(compare(operator, left, right))
        }
    }
}

/// By number where one side has a type of numbers (texts that are no numbers are then missing), else by
/// text.
fn compare(operator: Operator, left: Cells, right: Cells) -> Vec<Option<bool>> {
    use std::cmp::Ordering;
    let holds = |order: Ordering| match operator {
        Operator::Equal => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::More => order.is_gt(),
        _ => order.is_ge(),
    };
    if left.is_number() || right.is_number() {
        // A text is unequal to every number: no mark.
        let mut unmarked = vec![false; left.len()];
        let both = left.numbers(&mut unmarked).into_iter().zip(right.numbers(&mut unmarked));
        return both.map(|(a, b)| a.partial_cmp(&b).map(holds)).collect();
    }
    let (left, right) = (left.texts(), right.texts());
    let both = left.iter().zip(right.iter());
    both.map(|(a, b)| some(a).zip(some(b)).map(|(a, b)| holds(a.cmp(b)))).collect()
}

/// A text that is there: an empty one is missing.
fn some(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn call(
    function: Function,
    arguments: &[Expression],
    rows: &RecordBatch,
    bad: &mut NotNumbers,
) -> Cells {
    let mut cells = |place: usize| evaluate(&arguments[place], rows, bad);
    match function {
        Function::If => choose(arguments, rows, bad),
        Function::IsMissing => {
            let missing = cells(0).missing();
            Cells::Truths(missing.into_iter().map(Some).collect())
        }
        Function::In => Cells::Truths(among(&cells(0), &arguments[1..])),
        Function::Coalesce => {
            let mut chosen = cells(0);
            for argument in &arguments[1..] {
                let first: Vec<bool> = chosen.missing().iter().map(|missing| !missing).collect();
                let next = evaluate(argument, rows, bad);
                chosen = either(&first, chosen, next, bad);
            }
            chosen
        }
        Function::Concat => {
            let parts: Vec<StringArray> =
                (0..arguments.len()).map(|place| cells(place).texts()).collect();
            let part = |part: &StringArray, row: usize| {
                part.is_valid(row).then(|| part.value(row).to_owned())
            };
            let row = |row: usize| parts.iter().map(|p| part(p, row)).collect::<Option<String>>();
            Cells::Texts((0..rows.num_rows()).map(row).collect())
        }
        Function::Abs => {
            let cells = cells(0);
            Cells::Numbers(cells.numbers(bad).into_iter().map(f64::abs).collect())
        }
        Function::Lower => {
            let texts = cells(0).texts();
            Cells::Texts(texts.iter().map(|text| text.map(str::to_lowercase)).collect())
        }
        Function::StartsWith | Function::EndsWith | Function::Contains => {
            let (of, part) = (cells(0).texts(), cells(1).texts());
            let holds = |text: &str, part: &str| match function {
                Function::StartsWith => text.starts_with(part),
                Function::EndsWith => text.ends_with(part),
                _ => text.contains(part),
            };
            let both = of.iter().zip(part.iter());
            let truths = both.map(|(text, part)| some(text).zip(part).map(|(t, p)| holds(t, p)));
            Cells::Truths(truths.collect())
        }
    }
}

/// Whether each cell equals any of some constants, as `=` has it.
fn among(of: &Cells, constants: &[Expression]) -> Vec<Option<bool>> {
    // 0 and -0 are equal.
    let bits = |number: f64| (number + 0.0).to_bits();
    let (mut texts, mut numbers) = (HashSet::new(), HashSet::new());
    for constant in constants {
        if let Expression::Number(number) = constant {
            numbers.insert(bits(*number));
        } else if let Expression::Text(text) = constant {
            texts.insert(text.as_str());
        }
    }
    let number = |text: &str| text.trim().parse::<f64>().ok().map(bits);
    if of.is_number() {
        numbers.extend(texts.iter().filter_map(|text| number(text)));
        let cells = of.numbers(&mut vec![false; of.len()]).into_iter();
        return cells.map(|c| (!c.is_nan()).then(|| numbers.contains(&bits(c)))).collect();
    }
    let is_number = |text: &str| number(text).is_some_and(|number| numbers.contains(&number));
    let is = |text: &str| texts.contains(text) || (!numbers.is_empty() && is_number(text));
    of.texts().iter().map(|text| some(text).map(is)).collect()
}

/// `if(condition, a, b)`: what is not chosen leaves no marks.
fn choose(arguments: &[Expression], rows: &RecordBatch, bad: &mut NotNumbers) -> Cells {
    let truths = evaluate(&arguments[0], rows, bad).truths();
    let chosen: Vec<bool> = truths.into_iter().map(|truth| truth == Some(true)).collect();
    let mut marks = [vec![false; chosen.len()], vec![false; chosen.len()]];
    let [yes, no] = &mut marks;
    let then = evaluate(&arguments[1], rows, yes);
    let otherwise = evaluate(&arguments[2], rows, no);
    let merged = either(&chosen, then, otherwise, bad);
    for (row, bad) in bad.iter_mut().enumerate() {
        *bad |= if chosen[row] { marks[0][row] } else { marks[1][row] };
    }
    merged
}

/// The first where `first` is true, else the second; numbers where one of them is of numbers.
fn either(first: &[bool], a: Cells, b: Cells, bad: &mut NotNumbers) -> Cells {
    if a.is_number() || b.is_number() {
        let mut marks = [vec![false; first.len()], vec![false; first.len()]];
        let (a, b) = (a.numbers(&mut marks[0]), b.numbers(&mut marks[1]));
        for (row, bad) in bad.iter_mut().enumerate() {
            *bad |= marks[usize::from(!first[row])][row];
        }
        let both = first.iter().zip(a.iter().zip(&b));
        return Cells::Numbers(both.map(|(first, (a, b))| if *first { *a } else { *b }).collect());
    }
    let (a, b) = (a.texts(), b.texts());
    let both = first.iter().zip(a.iter().zip(b.iter()));
    Cells::Texts(both.map(|(first, (a, b))| if *first { a } else { b }).collect())
}

impl Cells {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Cells::Column(column) => column.len(),
            Cells::Numbers(numbers) => numbers.len(),
            Cells::Texts(texts) => texts.len(),
            Cells::Truths(truths) => truths.len(),
        }
    }

    fn is_number(&self) -> bool {
        match self {
            Cells::Column(column) => column.data_type().is_numeric(),
            Cells::Numbers(_) => true,
            Cells::Texts(_) | Cells::Truths(_) => false,
        }
    }

    /// As numbers, NaN where missing; rows whose text is no number are marked in `bad`.
    pub fn numbers(&self, bad: &mut NotNumbers) -> Vec<f64> {
        let column = match self {
            Cells::Numbers(numbers) => return numbers.clone(),
            Cells::Truths(truths) => {
                let number =
                    |truth: &Option<bool>| truth.map_or(f64::NAN, |t| f64::from(u8::from(t)));
                return truths.iter().map(number).collect();
            }
            Cells::Column(column) => column,
            Cells::Texts(texts) => return text_numbers(texts, bad),
        };
        let typed = column.data_type().is_numeric() || *column.data_type() == DataType::Boolean;
        match cast(column, &DataType::Float64).ok().filter(|_| typed) {
            Some(numbers) => {
                let numbers = numbers.as_primitive::<Float64Type>();
                match numbers.null_count() {
                    0 => numbers.values().to_vec(),
                    _ => numbers.iter().map(|number| number.unwrap_or(f64::NAN)).collect(),
                }
            }
            None => text_numbers(&self.texts(), bad),
        }
    }

    /// As texts, null where missing.
    pub fn texts(&self) -> StringArray {
        match self {
            Cells::Texts(texts) => texts.clone(),
            Cells::Column(column) => match in_utc(column).and_then(|c| cast(&c, &DataType::Utf8)) {
                Ok(texts) => texts.as_string::<i32>().clone(),
                // Lists and the like have no text: missing.
                Err(_) => StringArray::new_null(column.len()),
            },
            Cells::Numbers(numbers) => {
                let text = |number: &f64| (!number.is_nan()).then(|| number.to_string());
                numbers.iter().map(text).collect()
            }
            Cells::Truths(truths) => truths.iter().map(|t| t.map(|t| t.to_string())).collect(),
        }
    }

    /// As yes or no: texts are yes as `true` or `1`, no as `false` or `0`, else missing.
    pub fn truths(&self) -> Vec<Option<bool>> {
        match self {
            Cells::Truths(truths) => truths.clone(),
            Cells::Column(column) if *column.data_type() == DataType::Boolean => {
                column.as_boolean().iter().collect()
            }
            _ if self.is_number() => {
                let numbers = self.numbers(&mut vec![false; self.len()]);
                numbers.iter().map(|number| (!number.is_nan()).then_some(*number != 0.0)).collect()
            }
            _ => self
                .texts()
                .iter()
                .map(|text| match text.unwrap_or_default().trim() {
                    "true" | "True" | "TRUE" | "1" => Some(true),
                    "false" | "False" | "FALSE" | "0" => Some(false),
                    _ => None,
                })
                .collect(),
        }
    }

    /// Which rows have none.
    pub fn missing(&self) -> Vec<bool> {
        match self {
            Cells::Numbers(numbers) => numbers.iter().map(|number| number.is_nan()).collect(),
            Cells::Truths(truths) => truths.iter().map(Option::is_none).collect(),
            Cells::Texts(texts) => texts.iter().map(|text| some(text).is_none()).collect(),
            Cells::Column(column) if self.is_number() => {
                (0..column.len()).map(|row| column.is_null(row)).collect()
            }
            Cells::Column(_) => Cells::Texts(self.texts()).missing(),
        }
    }
}

/// Instants of a named zone as those of UTC: their texts need no tables of zones.
fn in_utc(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            cast(column, &DataType::Timestamp(*unit, Some(Arc::from("+00:00"))))
        }
        _ => Ok(Arc::clone(column)),
    }
}

fn text_numbers(texts: &StringArray, bad: &mut NotNumbers) -> Vec<f64> {
    let number = |(text, bad): (Option<&str>, &mut bool)| {
        let text = text.unwrap_or_default().trim();
        if text.is_empty() {
            return f64::NAN;
        }
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        *bad |= number.is_none();
        number.unwrap_or(f64::NAN)
    };
    texts.iter().zip(bad.iter_mut()).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{BooleanArray, Int32Array};

    fn batch() -> RecordBatch {
        let text =
            |cells: [Option<&str>; 4]| Arc::new(StringArray::from(cells.to_vec())) as ArrayRef;
        RecordBatch::try_from_iter([
            ("invoice", text([Some("C1"), Some("2"), Some("x"), None])),
            ("quantity", text([Some("-3"), Some(" 4 "), Some("many"), Some("")])),
            ("n", Arc::new(Int32Array::from(vec![Some(1), None, Some(0), Some(7)])) as ArrayRef),
            ("web", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]))),
        ])
        .unwrap()
    }

    fn found(text: &str) -> (Vec<String>, Vec<bool>) {
        let mut bad = vec![false; 4];
        let cells = evaluate(&Expression::parse(text).unwrap(), &batch(), &mut bad);
        let texts = cells.texts();
        (texts.iter().map(|text| text.unwrap_or("-").to_owned()).collect(), bad)
    }

    #[test]
    fn expressions_are_worked_out_row_by_row() {
        let check = |text: &str, expected: [&str; 4]| assert_eq!(found(text).0, expected, "{text}");
        check(
            "if(starts_with(invoice, 'C'), 'return', 'purchase')",
            ["return", "purchase", "purchase", "purchase"],
        );
        check("quantity * 2 - n", ["-7", "-", "-", "-"]);
        check("-abs(quantity)", ["-3", "-4", "-", "-"]);
        check("n / 0", ["-", "-", "-", "-"]);
        check("quantity < 0", ["true", "false", "-", "-"]);
        check("invoice = 2", ["-", "true", "-", "-"]);
        check("invoice = '2'", ["false", "true", "false", "-"]);
        check("invoice != 'x' and n > 0", ["true", "-", "false", "-"]);
        check("web or n = 0", ["true", "-", "true", "true"]);
        check("not web", ["false", "true", "-", "false"]);
        check("is_missing(quantity)", ["false", "false", "false", "true"]);
        check("coalesce(invoice, 'none')", ["C1", "2", "x", "none"]);
        check("coalesce(n, 9)", ["1", "9", "0", "7"]);
        check("concat(lower(invoice), '/', n)", ["c1/1", "-", "x/0", "-"]);
        check("contains(invoice, 'C') or ends_with(invoice, '2')", ["true", "true", "false", "-"]);
        check("absent", ["-", "-", "-", "-"]);
        check("in(invoice, 'x', 'C1')", ["true", "false", "true", "-"]);
        check("in(invoice, 2, 'C1')", ["true", "true", "false", "-"]);
        check("in(n, 7, '1', 'x')", ["true", "-", "false", "true"]);
        check("in(n - 1, -1, 0.0)", ["true", "-", "true", "false"]);
        check("in(quantity, 4)", ["false", "true", "false", "-"]);
        check("not in(web, 'true')", ["false", "true", "-", "false"]);
        check("if(n > 0, quantity, 0)", ["-3", "0", "0", "-"]);
    }

    #[test]
    fn texts_in_the_place_of_numbers_are_marked_where_they_matter() {
        let check = |text: &str, expected: [bool; 4]| assert_eq!(found(text).1, expected, "{text}");
        check("quantity * 2", [false, false, true, false]);
        check("quantity < 0", [false; 4]);
        check("if(invoice = 'x', 0, quantity * 2)", [false; 4]);
        check("if(invoice = 'x', quantity, 1)", [false, false, true, false]);
        check("coalesce(n, quantity)", [false; 4]);
    }
}
