//! A second interpreter of conditions: recursive, on JSON, one value at a time, nothing shared
//! with the compiled one but the syntax tree.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::net::IpAddr;

use maxspan::eql::ast::{ArithmeticOp, Call, Case, CompareOp, Expr, ExprKind, Field, Literal};
use maxspan::event::EventTime;
use serde_json::{Value as Json, json};

use crate::flat::Flat;
use crate::slow_regex;

/// One value of each field; null for a field without values.
type Row = BTreeMap<String, Json>;

/// Tells whether an event satisfies a condition.
pub(crate) fn matches(expr: &Expr, event: &Flat) -> bool {
    if expr.is_constant() {
        return eval(expr, &Row::new()) == json!(true);
    }
    match &expr.kind {
        ExprKind::Compare { op, left, right } if compares_truth(*op, left, right) => {
            let (asked, known) = if left.is_constant() { (right, left) } else { (left, right) };
            let wanted = eval(known, &Row::new()) == json!(*op == CompareOp::Eq);
            matches(asked, event) == wanted
        }
        ExprKind::And(operands) => operands.iter().all(|operand| matches(operand, event)),
        ExprKind::Or(operands) => operands.iter().any(|operand| matches(operand, event)),
        ExprKind::Not(inner) => !matches(inner, event),
        ExprKind::Compare { op: CompareOp::Ne, left, right } => {
            let equal =
                ExprKind::Compare { op: CompareOp::Eq, left: left.clone(), right: right.clone() };
            !matches(&Expr { kind: equal, span: expr.span }, event)
        }
        ExprKind::In { value, list, case, negated: true } => {
            let (value, list) = (value.clone(), list.clone());
            let plain = ExprKind::In { value, list, case: *case, negated: false };
            !matches(&Expr { kind: plain, span: expr.span }, event)
        }
        _ => {
            let mut paths = Vec::new();
            collect(expr, &mut paths);
            rows(&paths, event).iter().any(|row| truth(expr, row) == Some(true))
        }
    }
}

/// Whether an answer, other than the value of a field, is compared with true or false.
fn compares_truth(op: CompareOp, left: &Expr, right: &Expr) -> bool {
    let is_known = |side: &Expr| side.is_constant() && eval(side, &Row::new()).is_boolean();
    let is_answer = |side: &Expr| !side.is_constant() && !matches!(side.kind, ExprKind::Field(_));
    matches!(op, CompareOp::Eq | CompareOp::Ne)
        && (is_answer(left) && is_known(right) || is_known(left) && is_answer(right))
}

fn collect(expr: &Expr, paths: &mut Vec<String>) {
    if let ExprKind::Field(field) = &expr.kind {
        paths.push(name_of(field));
    }
    expr.for_each_child(|child| collect(child, paths));
    paths.sort();
    paths.dedup();
}

/// The name as a rule writes it.
fn name_of(field: &Field) -> String {
    match field.form {
        Some(form) => format!("{}.{}", field.path, form.as_str()),
        None => field.path.clone(),
    }
}

/// What an event has under a name, else under what the name is a form of.
fn values_of(name: &str, event: &Flat) -> Option<Vec<Json>> {
    let of = |name: &str| event.get(name).cloned().filter(|values| !values.is_empty());
    let is_form = |last: &str| ["caseless", "keyword", "text"].contains(&last);
    of(name).or_else(|| match name.rsplit_once('.') {
        Some((path, last)) if is_form(last) => {
            of(path).filter(|values| !values.iter().all(Json::is_object))
        }
        _ => None,
    })
}

/// Whether an expression ignores letter case: because it is written so, or a caseless field is in it.
fn case_in(expr: &Expr, written: Case) -> Case {
    let mut names = Vec::new();
    collect(expr, &mut names);
    if names.iter().any(|name| name.ends_with(".caseless")) { Case::Insensitive } else { written }
}

fn rows(paths: &[String], event: &Flat) -> Vec<Row> {
    let Some((path, others)) = paths.split_first() else { return vec![Row::new()] };
    let values = values_of(path, event);
    let mut all = Vec::new();
    for value in values.unwrap_or_else(|| vec![Json::Null]) {
        for mut row in rows(others, event) {
            row.insert(path.clone(), value.clone());
            all.push(row);
        }
    }
    all
}

/// What an expression says as an operand: a field is a boolean there.
fn truth(expr: &Expr, row: &Row) -> Option<bool> {
    match eval(expr, row) {
        Json::Bool(truth) => Some(truth),
        Json::String(text) if matches!(expr.kind, ExprKind::Field(_)) => Some(text == "true"),
        Json::Null => None,
        _ if matches!(expr.kind, ExprKind::Field(_)) => Some(false),
        other => panic!("{other} is not true or false"),
    }
}

fn from_truth(truth: Option<bool>) -> Json {
    truth.map_or(Json::Null, Json::Bool)
}

fn eval(expr: &Expr, row: &Row) -> Json {
    match &expr.kind {
        ExprKind::Literal(literal) => match literal {
            Literal::Null => Json::Null,
            Literal::Bool(truth) => json!(truth),
            Literal::Int(number) => json!(number),
            Literal::Big(number) => json!(number),
            Literal::Float(number) => json!(number),
            Literal::Str(text) => json!(text),
        },
        ExprKind::Field(field) => match &row[&name_of(field)] {
            Json::Object(_) => Json::Null,
            value => value.clone(),
        },
        ExprKind::And(operands) => {
            let all: Vec<Option<bool>> = operands.iter().map(|item| truth(item, row)).collect();
            if all.contains(&Some(false)) {
                return json!(false);
            }
            if all.contains(&None) { Json::Null } else { json!(true) }
        }
        ExprKind::Or(operands) => {
            let all: Vec<Option<bool>> = operands.iter().map(|item| truth(item, row)).collect();
            if all.contains(&Some(true)) {
                return json!(true);
            }
            if all.contains(&None) { Json::Null } else { json!(false) }
        }
        ExprKind::Not(inner) => from_truth(truth(inner, row).map(|truth| !truth)),
        ExprKind::Compare { op, left, right }
            if left.is_constant()
                && (!right.is_constant()
                    || matches!(left.kind, ExprKind::Literal(Literal::Null))) =>
        {
            compare(op.mirrored(), right, left, row)
        }
        ExprKind::Compare { op, left, right } => compare(*op, left, right, row),
        ExprKind::In { value, list, case, negated } => {
            let found = eval(value, row);
            if found.is_null() {
                return Json::Null;
            }
            let case = case_in(value, *case);
            let any = list
                .iter()
                .map(|item| eval(item, row))
                .any(|item| !item.is_null() && equal(&found, &item, case, path_of(value)));
            json!(any != *negated)
        }
        ExprKind::Like { value, patterns, case } => {
            let found = eval(value, row);
            let Some(text) = text(&found) else { return Json::Null };
            let case = case_in(value, *case);
            json!(patterns.iter().any(|pattern| {
                let wild = pattern.text.contains('*') || pattern.text.contains('?');
                if wild {
                    glob(&chars(&pattern.text, case), &chars(&text, case))
                } else {
                    equal(&found, &json!(pattern.text), case, path_of(value))
                }
            }))
        }
        ExprKind::Regex { value, patterns, case } => {
            let Some(text) = text(&eval(value, row)) else { return Json::Null };
            let case = case_in(value, *case);
            let text = chars(&text, case);
            json!(
                patterns
                    .iter()
                    .any(|pattern| { slow_regex::matches(&chars(&pattern.text, case), &text) })
            )
        }
        ExprKind::Call(written) => call(written, row),
        ExprKind::Arithmetic { op, left, right } => {
            arithmetic(*op, &eval(left, row), &eval(right, row))
        }
        ExprKind::Negative(inner) => match eval(inner, row) {
            number if number.as_u64().is_some_and(|number| number > 1 << 63) => {
                json!(-number.as_f64().unwrap())
            }
            other => arithmetic(ArithmeticOp::Subtract, &json!(0), &other),
        },
        ExprKind::Invalid => panic!("an invalid expression"),
    }
}

fn path_of(expr: &Expr) -> &str {
    match &expr.kind {
        ExprKind::Field(field) => &field.path,
        _ => "",
    }
}

fn compare(op: CompareOp, left: &Expr, right: &Expr, row: &Row) -> Json {
    let constant = eval(right, row);
    let value = eval(left, row);
    if constant.is_null() {
        let is_object =
            matches!(&left.kind, ExprKind::Field(field) if row[&name_of(field)].is_object());
        return match op {
            CompareOp::Eq => json!(value.is_null() && !is_object),
            CompareOp::Ne => json!(!value.is_null() || is_object),
            _ => Json::Null,
        };
    }
    if value.is_null() {
        return Json::Null;
    }
    let path = path_of(left);
    let case = case_in(left, Case::Sensitive);
    let order = order(&value, &constant, case, path);
    json!(match op {
        CompareOp::Eq => equal(&value, &constant, case, path),
        CompareOp::Ne => !equal(&value, &constant, case, path),
        CompareOp::Lt => order.is_some_and(|order| order < 0),
        CompareOp::Le => order.is_some_and(|order| order <= 0),
        CompareOp::Gt => order.is_some_and(|order| order > 0),
        CompareOp::Ge => order.is_some_and(|order| order >= 0),
    })
}

/// Any way in which a value and a constant may be equal.
fn equal(value: &Json, constant: &Json, case: Case, path: &str) -> bool {
    match constant {
        Json::Bool(truth) => *value == json!(truth) || *value == json!(truth.to_string()),
        Json::Number(_) => same_instant(value, constant, path) || same_number(value, constant),
        Json::String(wanted) => {
            let found = text(value).unwrap();
            chars(&found, case) == chars(wanted, case)
                || value.is_string() && ip(&found).is_some() && ip(&found) == ip(wanted)
                || path == "source.ip"
                    && wanted.contains('/')
                    && ip(&found).is_some_and(|found| in_block(found, wanted))
                || path == "process.pid" && same_number(value, constant)
                || same_instant(value, constant, path)
        }
        _ => panic!("{constant} is no constant"),
    }
}

fn same_instant(value: &Json, constant: &Json, path: &str) -> bool {
    path == "event.created" && instant(value).is_some() && instant(value) == instant(constant)
}

fn instant(value: &Json) -> Option<i64> {
    match value {
        Json::Number(number) => number.as_f64().and_then(counted),
        Json::String(text) => match text.parse() {
            Ok(_) if text.len() == 4 && text.chars().all(|char| char.is_ascii_digit()) => None,
            Ok(number) => counted(number),
            Err(_) => EventTime::parse(text).map(EventTime::nanos),
        },
        _ => None,
    }
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, whichever lies between 1800 and 2200.
fn counted(number: f64) -> Option<i64> {
    const YEAR: f64 = 365.0 * 86_400.0 * 1e9;
    let units = [(1e9, 0.0), (1e6, 0.0), (1e3, 1e14), (1.0, 1e18)];
    let units = units.iter().filter(|(_, least)| number.abs() >= *least);
    let mut nanos = units.map(|(unit, _)| number * unit);
    nanos.find(|nanos| -170.0 * YEAR < *nanos && *nanos < 230.0 * YEAR).map(|nanos| nanos as i64)
}

/// A constant: a number that is no plausible time lies beyond all that are.
fn bound(constant: &Json) -> Option<i64> {
    let beyond = |number: f64| if number < 0.0 { i64::MIN } else { i64::MAX };
    instant(constant).or_else(|| constant.is_number().then(|| constant.as_f64().map(beyond))?)
}

fn order(value: &Json, constant: &Json, case: Case, path: &str) -> Option<i32> {
    let sign = |order: std::cmp::Ordering| order as i32;
    if path == "event.created"
        && let (Some(a), Some(b)) = (instant(value), bound(constant))
    {
        return Some(sign(a.cmp(&b)));
    }
    let numeric = constant.is_number() && path != "event.created"
        || path == "process.pid" && number(constant).is_some();
    if numeric {
        if let (Some(a), Some(b)) = (whole(value), whole(constant)) {
            return Some(sign(a.cmp(&b)));
        }
        return number(value)?.partial_cmp(&number(constant)?).map(sign);
    }
    let (found, wanted) = (text(value)?, text(constant)?);
    if value.is_string()
        && let (Some(a), Some(b)) = (ip(&found), ip(&wanted))
    {
        let wide = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
            IpAddr::V6(v6) => u128::from(v6),
        };
        return Some(sign(wide(a).cmp(&wide(b))));
    }
    // Characters are ordered as their bytes in UTF-8 are.
    Some(sign(chars(&found, case).cmp(&chars(&wanted, case))))
}

fn ip(text: &str) -> Option<IpAddr> {
    let bare = text.split('%').next().unwrap_or_default();
    let ip = bare.parse::<IpAddr>().ok()?;
    (ip.is_ipv6() || bare == text).then(|| ip.to_canonical())
}

fn same_number(value: &Json, constant: &Json) -> bool {
    match (whole(value), whole(constant)) {
        (Some(a), Some(b)) => a == b,
        _ => number(value).is_some() && number(value) == number(constant),
    }
}

/// The number that a value is or writes; the cases stay far below the limit of doubles.
fn number(value: &Json) -> Option<f64> {
    match value {
        Json::Number(number) => number.as_f64(),
        Json::String(text) if text.bytes().all(|b| b"0123456789+-.eE".contains(&b)) => {
            text.parse().ok()
        }
        _ => None,
    }
}

/// Floats do not hold every whole number.
fn whole(value: &Json) -> Option<i128> {
    match value {
        Json::Number(number) => {
            number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
        }
        Json::String(text) => {
            let long = text.parse::<i64>().ok().map(i128::from);
            long.or_else(|| text.parse::<u64>().ok().map(i128::from))
        }
        _ => None,
    }
}

fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Bool(truth) => Some(truth.to_string()),
        Json::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        Json::Number(number) => Some(double(number.as_f64().unwrap())),
        _ => None,
    }
}

/// A double, from ten million on and below a thousandth with an exponent.
fn double(number: f64) -> String {
    if number == 0.0 || number.abs() >= 0.001 && number.abs() < 10_000_000.0 {
        return json!(number).to_string();
    }
    let power = number.abs().log10().floor() as i32;
    let digits = format!("{number:e}").split('e').next().unwrap().to_owned();
    format!("{digits}{}E{power}", if digits.contains('.') { "" } else { ".0" })
}

/// Characters, in one letter case unless case counts.
fn chars(text: &str, case: Case) -> Vec<char> {
    let fold = |c: char| match c {
        'K' => 'k',
        'ſ' => 's',
        'µ' => 'μ',
        'ς' => 'σ',
        'İ' => 'İ',
        _ => c.to_lowercase().next().unwrap(),
    };
    match case {
        Case::Sensitive => text.chars().collect(),
        Case::Insensitive => text.chars().map(fold).collect(),
    }
}

/// By which ends of the text what has been looked at of the pattern can reach.
fn glob(pattern: &[char], text: &[char]) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for wanted in pattern {
        let before = reached.clone();
        for end in 0..reached.len() {
            let one = |c: char| end > 0 && before[end - 1] && text[end - 1] == c;
            reached[end] = match wanted {
                '*' => before[..=end].contains(&true),
                '?' => end > 0 && before[end - 1],
                c => one(*c),
            };
        }
    }
    reached[text.len()]
}

fn arithmetic(op: ArithmeticOp, left: &Json, right: &Json) -> Json {
    let (Some(a), Some(b)) = (number(left), number(right)) else { return Json::Null };
    if let (Some(a), Some(b)) = (whole(left), whole(right)) {
        let result = match op {
            ArithmeticOp::Add => a + b,
            ArithmeticOp::Subtract => a - b,
            ArithmeticOp::Multiply => match a.checked_mul(b) {
                Some(product) => product,
                None => return Json::Null,
            },
            _ if b == 0 => return Json::Null,
            ArithmeticOp::Divide => a / b,
            ArithmeticOp::Modulo => a % b,
        };
        let long = |number: i128| i64::try_from(number).is_ok();
        return match (i64::try_from(result), u64::try_from(result)) {
            (Ok(result), _) => json!(result),
            (_, Ok(result)) if !(long(a) && long(b)) => json!(result),
            _ => Json::Null,
        };
    }
    let result = match op {
        ArithmeticOp::Add => a + b,
        ArithmeticOp::Subtract => a - b,
        ArithmeticOp::Multiply => a * b,
        ArithmeticOp::Divide => a / b,
        ArithmeticOp::Modulo => a % b,
    };
    if result.is_finite() { json!(result) } else { Json::Null }
}

fn call(call: &Call, row: &Row) -> Json {
    let args: Vec<Json> = call.args.iter().map(|arg| eval(arg, row)).collect();
    let case = call.args.iter().fold(call.case, |case, arg| case_in(arg, case));
    let required = match call.name.as_str() {
        "number" | "substring" => 1,
        "indexOf" => 2,
        "between" => 3,
        _ => args.len(),
    };
    if args[..required].contains(&Json::Null) {
        return Json::Null;
    }
    let string = |index: usize| text(&args[index]).unwrap();
    let units = |index: usize| -> Vec<u16> {
        chars(&string(index), case).iter().collect::<String>().encode_utf16().collect()
    };
    let is_null = |index: usize| args.get(index).is_none_or(Json::is_null);
    let whole = |index: usize| args.get(index).map(|arg| number(arg).map(|number| number as i64));
    let words = |units: &[u16]| json!(String::from_utf16_lossy(units));
    match call.name.as_str() {
        "add" => arithmetic(ArithmeticOp::Add, &args[0], &args[1]),
        "subtract" => arithmetic(ArithmeticOp::Subtract, &args[0], &args[1]),
        "multiply" => arithmetic(ArithmeticOp::Multiply, &args[0], &args[1]),
        "divide" => arithmetic(ArithmeticOp::Divide, &args[0], &args[1]),
        "modulo" => arithmetic(ArithmeticOp::Modulo, &args[0], &args[1]),
        "startsWith" => json!(units(0).starts_with(&units(1))),
        "endsWith" => json!(units(0).ends_with(&units(1))),
        "stringContains" => json!(position(&units(0), &units(1), 0).is_some()),
        "length" => json!(string(0).encode_utf16().count()),
        "string" => match (path_of(&call.args[0]), ip(&string(0))) {
            ("source.ip", Some(ip)) => json!(ip.to_string()),
            _ => json!(string(0)),
        },
        "concat" => json!((0..args.len()).map(string).collect::<String>()),
        "number" if is_null(1) && string(0).starts_with("0x") => read_number(&string(0), 16),
        "number" if is_null(1) => read_number(&string(0), 10),
        "number" => whole(1).flatten().map_or(Json::Null, |base| read_number(&string(0), base)),
        "indexOf" => {
            let start = match whole(2) {
                _ if is_null(2) => 0,
                Some(Some(start)) => start.max(0) as usize,
                _ => return Json::Null,
            };
            position(&units(0), &units(1), start).map_or(Json::Null, |at| json!(at))
        }
        "substring" => {
            let source: Vec<u16> = string(0).encode_utf16().collect();
            let len = source.len() as i64;
            let place = |at: i64| if at < 0 { (at + len).max(0) } else { at.min(len) } as usize;
            if is_null(1) {
                return json!(string(0));
            }
            let Some(start) = whole(1).flatten() else { return Json::Null };
            let end = match whole(2) {
                _ if is_null(2) => len,
                Some(Some(end)) => end,
                _ => return Json::Null,
            };
            let (start, end) = (place(start), place(end));
            words(if start < end { &source[start..end] } else { &[] })
        }
        "between" => {
            let source: Vec<u16> = string(0).encode_utf16().collect();
            let (haystack, left, right) = (units(0), units(1), units(2));
            if left.is_empty() || right.is_empty() {
                return json!(string(0));
            }
            let Some(start) = position(&haystack, &left, 0).map(|at| at + left.len()) else {
                return json!("");
            };
            let mut ends =
                (start..=haystack.len()).filter(|at| haystack[*at..].starts_with(&right));
            let greedy = args.get(3) == Some(&json!(true));
            let end = if greedy { ends.next_back() } else { ends.next() };
            end.map_or_else(|| json!(""), |end| words(&source[start..end]))
        }
        "cidrMatch" => {
            let address = ip(&string(0));
            json!(
                (1..args.len()).any(|index| address.is_some_and(|ip| in_block(ip, &string(index))))
            )
        }
        other => panic!("no function {other}"),
    }
}

fn position(text: &[u16], part: &[u16], start: usize) -> Option<usize> {
    (start..=text.len()).find(|at| text[*at..].starts_with(part))
}

fn read_number(text: &str, base: i64) -> Json {
    if base == 10 {
        return match (text.parse::<i64>(), text.parse::<u64>(), number(&json!(text))) {
            (Ok(whole), _, _) => json!(whole),
            (_, Ok(whole), _) => json!(whole),
            (_, _, Some(number)) => json!(number),
            _ => Json::Null,
        };
    }
    let digits = text.trim_start_matches("0x");
    match i128::from_str_radix(digits, base as u32) {
        Ok(number) if i64::try_from(number).is_ok() => json!(number as i64),
        Ok(number) => u64::try_from(number).map_or(Json::Null, |number| json!(number)),
        Err(_) => Json::Null,
    }
}

/// Bit by bit.
fn in_block(address: IpAddr, block: &str) -> bool {
    let (network, mask) = block.split_once('/').unwrap_or((block, "128"));
    let Ok(mut network) = network.parse::<IpAddr>() else { return false };
    let mut mask: usize = mask.parse().unwrap();
    if network.is_ipv6() && network.to_canonical().is_ipv4() && mask >= 96 {
        mask -= 96;
        network = network.to_canonical();
    }
    let bits = |ip: IpAddr| -> Vec<bool> {
        let octets = match ip {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        octets.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect()
    };
    let (address, network) = (bits(address), bits(network));
    address.len() == network.len() && address.iter().zip(&network).take(mask).all(|(a, b)| a == b)
}
