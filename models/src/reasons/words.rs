//! A feature's cell in words: which events, which window, how much. Chooses no features.

use crate::behaviour::{AttributeKind, Feature, Selector, Window};
use crate::language::{Language, Words};
use crate::reasons::templates::{Number, PARTS, WORDS, template};

/// Speaks a language with the user's own words for kinds, channels, groups, measures and columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Speaker<'a> {
    pub language: Language,
    pub words: &'a Words,
}

/// Events as nouns.
struct Noun {
    /// After `no`, `last`.
    of: String,
    /// After 1.
    one: String,
    many: String,
}

impl Speaker<'_> {
    fn chinese(self) -> bool {
        self.language == Language::Chinese
    }

    /// One of two texts, by language.
    fn either<'t>(self, english: &'t str, chinese: &'t str) -> &'t str {
        if self.chinese() { chinese } else { english }
    }

    /// The user's word for a name, or the built-in one, or the name with spaces for underscores.
    pub fn word(self, name: &str) -> String {
        let own = self.words.get(&self.language).and_then(|words| words.get(name));
        let known = || {
            let place = WORDS.binary_search_by_key(&name, |[name, _]| name).ok();
            place.filter(|_| self.chinese()).map(|place| WORDS[place][1].to_owned())
        };
        own.cloned().or_else(known).unwrap_or_else(|| name.replace('_', " "))
    }

    /// A number that was told of events. `usual` is the usual gap between them in days, where it is known.
    pub fn behaviour(self, feature: &Feature, value: f64, usual: Option<f64>) -> String {
        let (template, number) = template(feature.metric, self.language);
        let by_measure = feature.measure.is_some() && !template.measured.is_empty();
        let text = match value {
            value if value.is_nan() => template.missing,
            0.0 if !template.zero.is_empty() => template.zero,
            _ if by_measure => template.measured,
            _ => template.value,
        };
        let noun = self.noun(&feature.of);
        let with = feature.with.as_ref().map(|with| self.noun(with));
        let with = with.as_ref().unwrap_or(&noun);
        let window = |place: usize| self.window(feature.windows.get(place).copied());
        let up = value > 0.0;
        let n = self.number(value.abs(), number);
        let one = n == "1";
        let days = match (n.as_str(), number) {
            (_, Number::Days) if value.abs() < 1.0 => "less than a day".to_owned(),
            ("1", _) => "1 day".to_owned(),
            _ => format!("{n} days"),
        };
        let part =
            feature.part.map_or("", |part| PARTS[part as usize][usize::from(self.chinese())]);
        let usual = usual.and_then(|usual| self.usual(value, usual)).unwrap_or_default();
        // Names may hold braces: what is put in is not looked at again.
        let filled = |name: &str| -> String {
            match name {
                "n" => n.clone(),
                "n_days" => days.clone(),
                "n_of" => format!("{n} {}", if one { &noun.one } else { &noun.many }),
                "of" => noun.of.clone(),
                "ofs" => noun.many.clone(),
                "with" => with.of.clone(),
                "withs" => with.many.clone(),
                "measure" => self.word(feature.measure.as_deref().unwrap_or("amount")),
                "part" => part.to_owned(),
                "window" => window(0),
                "wider" => window(1),
                "more" if up => self.either("more", "多").to_owned(),
                "more" => self.either("fewer", "少").to_owned(),
                "less" => if up { "more" } else { "less" }.to_owned(),
                "rose" if up => self.either("rose", "增加").to_owned(),
                "rose" => self.either("fell", "减少").to_owned(),
                "usual" => usual.clone(),
                other => unreachable!("no template has {{{other}}}"),
            }
        };
        let mut said = String::new();
        for part in text.split('{') {
            match part.split_once('}') {
                Some((name, rest)) => {
                    said += &filled(name);
                    said += rest;
                }
                None => said += part,
            }
        }
        said.trim_end().to_owned()
    }

    /// An attribute of a customer; a date is told in days before the cutoff.
    pub fn attribute(self, name: &str, kind: AttributeKind, value: &str, number: f64) -> String {
        let word = self.word(name);
        match kind {
            _ if number.is_nan() => self.unknown(&word),
            AttributeKind::Date => {
                let days = self.number(number.abs(), Number::Count);
                match (number < 0.0, self.chinese()) {
                    (false, false) => format!("{word} {days} days ago"),
                    (true, false) => format!("{word} in {days} days"),
                    (false, true) => format!("{word}在{days}天前"),
                    (true, true) => format!("{word}在{days}天后"),
                }
            }
            AttributeKind::Number | AttributeKind::Category => self.column(name, Some(value)),
        }
    }

    /// A column of a table; `None` where its cell is missing.
    pub fn column(self, name: &str, value: Option<&str>) -> String {
        let word = self.word(name);
        let Some(value) = value else { return self.unknown(&word) };
        let value = match value {
            "true" => self.either("yes", "是").to_owned(),
            "false" => self.either("no", "否").to_owned(),
            value => self
                .words
                .get(&self.language)
                .and_then(|w| w.get(value))
                .cloned()
                .unwrap_or(value.to_owned()),
        };
        let colon = self.either(": ", "：");
        format!("{word}{colon}{value}")
    }

    /// A level that the model was not fitted with.
    pub fn unseen(self, name: &str) -> String {
        self.column(name, Some(self.either("a value not seen before", "从未见过的取值")))
    }

    fn unknown(self, word: &str) -> String {
        match self.chinese() {
            false => format!("{word} is not known"),
            true => format!("{word}未知"),
        }
    }

    /// How long the time since the last one is beside the usual gap, where it is much longer.
    fn usual(self, days: f64, usual: f64) -> Option<String> {
        let times = days / usual;
        if !(times.is_finite() && times >= 1.5) {
            return None;
        }
        let whole = times.round();
        let near = (times - whole).abs() < 0.15 && whole <= 10.0;
        let words = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
        Some(match (self.chinese(), near) {
            (false, true) if whole == 2.0 => ", twice the usual gap".to_owned(),
            (false, true) => format!(", {} times the usual gap", words[whole as usize - 2]),
            (false, false) => {
                format!(", {} times the usual gap", self.number(times, Number::Count))
            }
            (true, true) => format!("，是平常间隔的{whole}倍"),
            (true, false) => format!("，是平常间隔的{}倍", self.number(times, Number::Count)),
        })
    }

    fn window(self, window: Option<Window>) -> String {
        match (window, self.chinese()) {
            (Some(Window::Days(1)), false) => "in the last day".to_owned(),
            (Some(Window::Days(days)), false) => format!("in the last {days} days"),
            (Some(Window::Days(days)), true) => format!("最近{days}天"),
            (Some(Window::All) | None, _) => self.either("so far", "至今").to_owned(),
        }
    }

    fn noun(self, of: &Selector) -> Noun {
        let list = |names: &[String]| {
            let words: Vec<String> = names.iter().map(|name| self.word(name)).collect();
            words.join(self.either(" or ", "或"))
        };
        let amount = self.word("amount");
        let mut qualifiers = Vec::new();
        let chinese = self.chinese();
        let mut qualify = |names: &[String], english: &str, after: &str| {
            if !names.is_empty() {
                let names = list(names);
                qualifiers.push(match chinese {
                    true => format!("{names}{after}"),
                    false => format!("{english} {names}"),
                });
            }
        };
        qualify(&of.channels, "through", "渠道的");
        qualify(&of.groups, "of", "类的");
        qualify(&of.products, "of product", "商品的");
        if let Some(least) = of.min_amount {
            qualifiers.push(match chinese {
                true => format!("{amount}不低于{least}的"),
                false => format!("of at least {least}"),
            });
        }
        if let Some(below) = of.below_amount {
            qualifiers.push(match chinese {
                true => format!("{amount}低于{below}的"),
                false => format!("below {below}"),
            });
        }
        if chinese {
            let kinds = if of.kinds.is_empty() { "活动".to_owned() } else { list(&of.kinds) };
            let of = qualifiers.concat() + &kinds;
            return Noun { one: of.clone(), many: of.clone(), of };
        }
        let after: String = qualifiers.iter().map(|text| format!(" {text}")).collect();
        if of.kinds.is_empty() {
            let [of, one, many] =
                ["activity", "event", "events"].map(|noun| format!("{noun}{after}"));
            return Noun { of, one, many };
        }
        let many: Vec<String> = of.kinds.iter().map(|kind| plural(&self.word(kind))).collect();
        let of = list(&of.kinds) + &after;
        Noun { one: of.clone(), of, many: many.join(" or ") + &after }
    }

    /// A number at least 0.
    fn number(self, value: f64, number: Number) -> String {
        let decimals = |value: f64, most: usize| {
            let text = format!("{value:.most$}");
            match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                false => text,
            }
        };
        let share = |share: f64| {
            let percent = share * 100.0;
            let text = decimals(percent, usize::from(percent < 9.95));
            format!("{text}{}", self.either(" %", "%"))
        };
        match number {
            Number::Count if value < 9.95 => decimals(value, 1),
            Number::Days if value < 1.0 => self.either("less than 1", "不到1").to_owned(),
            Number::Count | Number::Days => decimals(value, 0),
            Number::Share => share(value),
            Number::Evenness(most) => share((value / (f64::from(most) / 100.0)).min(1.0)),
            // Two digits of what is small, down to a millionth.
            Number::Amount if value > 0.0 && value < 0.1 => {
                decimals(value, ((1.0 - value.log10().floor()) as usize).min(6))
            }
            Number::Amount if value < 999.5 => decimals(value, 2),
            Number::Amount => decimals(value, 0),
        }
    }
}

/// The plural of an English noun, by its ending.
fn plural(noun: &str) -> String {
    let vowel = |letter: char| "aeiou".contains(letter);
    let before_last = noun.chars().rev().nth(1);
    match noun {
        _ if ["s", "x", "z", "ch", "sh"].iter().any(|end| noun.ends_with(end)) => {
            format!("{noun}es")
        }
        _ if noun.ends_with('y') && before_last.is_some_and(|letter| !vowel(letter)) => {
            format!("{}ies", &noun[..noun.len() - 1])
        }
        _ => format!("{noun}s"),
    }
}
