//! What customers are told of, in words.

use super::*;
use crate::behaviour::{Duplicates, Part, Selector, Window};
use crate::classifiers::logistic::{FittedLogistic, Line};
use crate::frame::Schema;
use crate::reasons::templates::{Number, template};
use proptest::prelude::*;

fn every_metric() -> Vec<Feature> {
    let metric = |word: &str| serde_json::from_str::<Metric>(&format!("{word:?}")).unwrap();
    let mut found = Vec::new();
    let mut last = metric("count");
    let words = (0..46).map(|place| template_metric(place).word());
    for word in words {
        last = metric(word);
        let info = last.info();
        let windows = [Window::Days(30), Window::Days(90), Window::All];
        let feature = Feature {
            name: None,
            metric: last,
            of: Selector::kind("purchase"),
            measure: None,
            with: info.with.then(|| Selector::kind("visit")),
            part: info.part.map(|part| if part == "week" { Part::Sun } else { Part::Evening }),
            windows: windows[..info.windows].to_vec(),
        };
        feature.validate().unwrap();
        found.push(feature.clone());
        if info.measure {
            found.push(Feature { measure: Some("amount".to_owned()), ..feature });
        }
    }
    assert_eq!(last, Metric::BtydT);
    found
}

/// The metric of a place in the tables.
fn template_metric(place: usize) -> Metric {
    let all = "count days share sum mean max min spread recency_days first_days latest_days earliest_days gap_mean \
               gap_median gap_spread gap_max gap_ratio ratio trend acceleration streak_max streak_now idle_max \
               weekday_share hour_share weekday_entropy hour_entropy followed followed_share baskets basket_mean \
               basket_max basket_value rate price_level products variety repeat_share kinds channels groups frequency \
               monetary btyd_x btyd_t_x btyd_t";
    let word = all.split_whitespace().nth(place).unwrap();
    let metric: Metric = serde_json::from_str(&format!("{word:?}")).unwrap();
    assert_eq!(metric as usize, place);
    metric
}

#[test]
fn every_metric_is_told_in_both_languages_with_nothing_left_open() {
    let words = Words::new();
    for language in [Language::English, Language::Chinese] {
        let speaker = Speaker { language, words: &words };
        for feature in every_metric() {
            for value in [0.0, 0.25, 1.0, 3.0, 96.2, 1_234_567.0, -2.5, f64::NAN] {
                let text = speaker.behaviour(&feature, value, Some(30.0));
                let name = feature.name();
                assert!(!text.is_empty() && !text.contains(['{', '}']), "{name}: {text}");
                assert!(!text.contains("  ") && text.trim() == text, "{name}: {text}");
                assert!(!text.contains("NaN") && !text.contains("inf"), "{name}: {text}");
                let chinese = !text.is_ascii();
                assert_eq!(chinese, language == Language::Chinese, "{name}: {text}");
            }
        }
    }
}

#[test]
fn numbers_are_written_by_what_the_metric_counts() {
    // As many templates as numbers, and shares where the metric's unit says so.
    for place in 0..46 {
        let metric = template_metric(place);
        let (_, number) = template(metric, Language::English);
        let unit = metric.info().unit;
        let share = unit.starts_with("0 to 1") && metric != Metric::Variety;
        assert_eq!(number == Number::Share, share, "{} {unit}", metric.word());
        let days = unit.contains("days of 24 hours");
        assert!(!days || number == Number::Days, "{}", metric.word());
    }
}

#[test]
fn built_in_words_are_in_order_so_that_they_are_found() {
    assert!(crate::reasons::templates::WORDS.is_sorted_by(|a, b| a[0] < b[0]));
}

fn said(language: Language, feature: &Feature, value: f64, usual: Option<f64>) -> String {
    let words = Words::new();
    Speaker { language, words: &words }.behaviour(feature, value, usual)
}

#[test]
fn words_fit_the_numbers() {
    let of = |metric, window| Feature::new(metric, Selector::kind("purchase"), window);
    let recency = Feature { windows: Vec::new(), ..of(Metric::RecencyDays, Window::All) };
    let month = Window::Days(30);
    let year = Feature { windows: vec![month, Window::Days(365)], ..of(Metric::Ratio, month) };
    let trend = Feature { windows: vec![month, Window::Days(90)], ..of(Metric::Trend, month) };
    let money =
        |feature: &Feature| Feature { measure: Some("amount".to_owned()), ..feature.clone() };
    let any = Feature { of: Selector::default(), ..of(Metric::Count, month) };
    let web = Selector {
        kinds: vec!["page_view".to_owned(), "search".to_owned()],
        channels: vec!["web".to_owned()],
        min_amount: Some(5.0),
        ..Selector::default()
    };
    let web = Feature { of: web, ..of(Metric::Count, Window::All) };
    let part = |metric, part| Feature { part: Some(part), ..of(metric, month) };
    let followed =
        Feature { with: Some(Selector::kind("visit")), ..of(Metric::FollowedShare, month) };
    for (feature, value, usual, english, chinese) in [
        (
            &recency,
            96.0,
            Some(32.0),
            "no purchase for 96 days, three times the usual gap",
            "已有96天没有购买，是平常间隔的3倍",
        ),
        (
            &recency,
            96.0,
            Some(40.0),
            "no purchase for 96 days, 2.4 times the usual gap",
            "已有96天没有购买，是平常间隔的2.4倍",
        ),
        (
            &recency,
            60.0,
            Some(30.0),
            "no purchase for 60 days, twice the usual gap",
            "已有60天没有购买，是平常间隔的2倍",
        ),
        (&recency, 20.0, Some(30.0), "no purchase for 20 days", "已有20天没有购买"),
        (&recency, 20.0, Some(0.0), "no purchase for 20 days", "已有20天没有购买"),
        (&recency, 0.4, None, "no purchase for less than a day", "已有不到1天没有购买"),
        (&recency, f64::NAN, Some(3.0), "no purchase so far", "至今没有购买"),
        (&of(Metric::Count, month), 1.0, None, "1 purchase in the last 30 days", "最近30天购买1次"),
        (
            &of(Metric::Count, month),
            12.0,
            None,
            "12 purchases in the last 30 days",
            "最近30天购买12次",
        ),
        (
            &of(Metric::Count, month),
            0.0,
            None,
            "no purchase in the last 30 days",
            "最近30天没有购买",
        ),
        (&of(Metric::Days, Window::All), 1.0, None, "purchases on 1 day so far", "至今有1天购买"),
        (&any, 3.0, None, "3 events in the last 30 days", "最近30天活动3次"),
        (&any, 0.0, None, "no activity in the last 30 days", "最近30天没有活动"),
        (
            &web,
            2.0,
            None,
            "2 page views or searches through web of at least 5 so far",
            "至今网站渠道的金额不低于5的页面浏览或搜索2次",
        ),
        (
            &year,
            0.08,
            None,
            "8 % of the purchases in the last 365 days came in the last 30 days",
            "最近365天的购买中有8%发生在最近30天",
        ),
        (
            &money(&year),
            0.5,
            None,
            "50 % of the amount from purchases in the last 365 days came in the last 30 days",
            "最近365天购买的金额中有50%来自最近30天",
        ),
        (
            &trend,
            -0.134,
            None,
            "0.13 fewer purchases a day in the last 30 days than before",
            "最近30天平均每天的购买比之前少0.13次",
        ),
        (
            &trend,
            0.00042,
            None,
            "0.00042 more purchases a day in the last 30 days than before",
            "最近30天平均每天的购买比之前多0.00042次",
        ),
        (
            &money(&trend),
            1234.4,
            None,
            "1234 more amount a day from purchases in the last 30 days than before",
            "最近30天平均每天购买的金额比之前多1234",
        ),
        (
            &part(Metric::WeekdayShare, Part::Sun),
            0.4,
            None,
            "40 % of the purchases in the last 30 days on Sundays",
            "最近30天40%的购买在周日",
        ),
        (
            &part(Metric::HourShare, Part::Night),
            0.0,
            None,
            "no purchase at night in the last 30 days",
            "最近30天夜间没有购买",
        ),
        (
            &of(Metric::WeekdayEntropy, month),
            2.807,
            None,
            "purchases in the last 30 days spread over the days of the week: 100 % of evenly",
            "最近30天购买在一周各天的均匀程度为100%",
        ),
        (
            &followed,
            0.031,
            None,
            "3.1 % of the purchases in the last 30 days followed by visits within a day",
            "最近30天3.1%的购买后一天内到访",
        ),
        (
            &money(&of(Metric::Mean, month)),
            19.9,
            None,
            "average amount of 19.9 from purchases in the last 30 days",
            "最近30天购买的平均金额为19.9",
        ),
    ] {
        assert_eq!(said(Language::English, feature, value, usual), english);
        assert_eq!(said(Language::Chinese, feature, value, usual), chinese);
    }
}

fn spec(features: Vec<Feature>, attributes: Vec<Attribute>) -> FeatureSpec {
    FeatureSpec {
        timezone: "UTC".to_owned(),
        kinds: vec!["purchase".to_owned()],
        channels: Vec::new(),
        groups: Vec::new(),
        measures: vec!["amount".to_owned()],
        windows: FeatureSpec::windows_of(&features),
        duplicates: Duplicates::Keep,
        features,
        attributes,
    }
}

/// A logistic regression of five features: each cell adds itself, less what is expected.
fn prepared(marks: impl Fn(&mut FeatureEntry), words: Words) -> (Reasons, Fitted) {
    let of = |metric, window| Feature::new(metric, Selector::kind("purchase"), window);
    let recency = Feature { windows: Vec::new(), ..of(Metric::RecencyDays, Window::All) };
    let (week, month) = (Window::Days(7), Window::Days(30));
    let features = vec![
        recency,
        of(Metric::GapMedian, Window::All),
        of(Metric::Count, week),
        of(Metric::Count, month),
    ];
    let city = Attribute { name: "city".to_owned(), kind: AttributeKind::Category };
    let spec = spec(features, vec![city]);
    let levels: [String; 2] = ["Ghent".to_owned(), "Lyon".to_owned()];
    let kind = |name: &String| match name.as_str() {
        "attribute(city)" => Kind::Categorical(levels.to_vec().into()),
        _ => Kind::Numeric,
    };
    let columns = spec.columns();
    let fields = columns.iter().map(|name| Field { name: name.clone(), kind: kind(name) });
    let schema = Schema::new(fields.collect()).unwrap();
    let mut entries = Manifest::features_of(&schema);
    entries.iter_mut().for_each(marks);
    let line = |(feature, slope): (usize, f64)| Line {
        feature,
        low: -1e9,
        high: 1e9,
        squash: None,
        slope,
        missing: 0.5,
    };
    let numbers = [0.01, 0.0, -0.1, -0.05].into_iter().enumerate().map(line).collect();
    let category = crate::classifiers::logistic::Addends {
        feature: 4,
        levels: vec![0.3, -0.3],
        unknown: 0.02,
        missing: 0.01,
    };
    let model = FittedLogistic { intercept: 0.0, numbers, categories: vec![category] };
    let how = How::Addends(vec![0.75, 0.0, -0.15, -0.3, 0.0]);
    (Reasons::prepared(schema.fields(), &entries, Some(&spec), words, how), Fitted::Logistic(model))
}

fn texts(reasons: &[Reason<'_>]) -> Vec<String> {
    reasons.iter().map(|reason| reason.text.clone()).collect()
}

/// 96 days since the last, 32 usually; 1 purchase this week and 4 this month; of Ghent.
const ROW: [f64; 5] = [96.0, 32.0, 1.0, 4.0, 0.0];

#[test]
fn the_strongest_come_first_and_windows_of_a_behaviour_are_one_reason() {
    let (reasons, model) = prepared(|_| (), Words::new());
    let rows = Rows::from_cells(5, [ROW, [f64::NAN, f64::NAN, 0.0, 0.0, UNKNOWN_LEVEL]].concat());
    let of = |most, language| reasons.of_rows(&model, &rows, most, language);
    let told = of(9, Language::English);
    assert_eq!(
        texts(&told[0]),
        [
            "city: Ghent: +0.30",
            "no purchase for 96 days, three times the usual gap: +0.21",
            // 0.05 of the week and 0.1 of the month.
            "4 purchases in the last 30 days: +0.15",
        ]
    );
    let first = &told[0][1];
    assert_eq!((first.feature, first.group), ("recency_days(purchase)", None));
    assert_eq!(first.value, serde_json::json!(96.0));
    assert!((first.contribution - 0.21).abs() < 1e-12);
    assert_eq!(
        texts(&told[1]),
        [
            "fewer than two days with purchases so far: +0.50",
            "no purchase in the last 30 days: +0.45",
            "no purchase so far: -0.25",
            "city: a value not seen before: +0.02",
        ]
    );
    assert_eq!(told[1][3].value, serde_json::Value::Null);
    assert_eq!(of(1, Language::Chinese)[0][0].text, "城市：Ghent：+0.30");
    assert!(of(0, Language::English)[0].is_empty());
    // Found once, told in each language.
    let causes = reasons.causes(&model, &rows, 9);
    for language in [Language::English, Language::Chinese] {
        let each: Vec<_> = rows
            .iter()
            .zip(&causes)
            .map(|(row, causes)| reasons.told(row, causes, language))
            .collect();
        assert_eq!(each, of(9, language));
    }
    assert!(
        reasons.of_rows(&model, &Rows::from_cells(5, Vec::new()), 3, Language::English).is_empty()
    );
}

#[test]
fn only_what_is_shown_is_told_by_the_users_own_words_and_groups() {
    let marks = |entry: &mut FeatureEntry| {
        entry.hidden = entry.name.contains("city") || entry.name.contains("gap");
        entry.group = entry.name.contains("7d").then(|| "this week".to_owned());
    };
    let own = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, word)| ((*name).to_owned(), (*word).to_owned())).collect()
    };
    let words = Words::from([
        (Language::English, own(&[("purchase", "order")])),
        (Language::Chinese, own(&[("purchase", "下单"), ("this week", "本周")])),
    ]);
    let (reasons, model) = prepared(marks, words);
    let rows = Rows::from_cells(5, ROW.to_vec());
    let of = |language| texts(&reasons.of_rows(&model, &rows, 9, language)[0]);
    assert_eq!(
        of(Language::English),
        [
            "no order for 96 days: +0.21",
            "4 orders in the last 30 days: +0.10",
            "this week, 1 order in the last 7 days: +0.05",
        ]
    );
    assert_eq!(
        of(Language::Chinese),
        ["已有96天没有下单：+0.21", "最近30天下单4次：+0.10", "本周，最近7天下单1次：+0.05"]
    );
    let groups: Vec<Option<&str>> =
        reasons.of_rows(&model, &rows, 9, Language::English)[0].iter().map(|r| r.group).collect();
    assert_eq!(groups, [None, None, Some("this week")]);
}

#[test]
fn cells_of_tables_are_told_as_they_are() {
    let words = Words::new();
    let say = |language| Speaker { language, words: &words };
    let (en, zh) = (say(Language::English), say(Language::Chinese));
    assert_eq!(en.column("MonthlyCharges", Some("70.5")), "MonthlyCharges: 70.5");
    assert_eq!(en.column("paper_less", Some("true")), "paper less: yes");
    assert_eq!(zh.column("gender", Some("false")), "性别：否");
    assert_eq!(
        (en.column("age", None), zh.column("age", None)),
        ("age is not known".to_owned(), "年龄未知".to_owned())
    );
    let since =
        |speaker: Speaker<'_>, days| speaker.attribute("sign_up", AttributeKind::Date, "", days);
    assert_eq!(
        (since(en, 120.0), since(zh, 120.0)),
        ("sign up 120 days ago".to_owned(), "注册在120天前".to_owned())
    );
    assert_eq!(
        (since(en, -3.0), since(zh, -3.0)),
        ("sign up in 3 days".to_owned(), "注册在3天后".to_owned())
    );
    let field = |kind| Field { name: "x".to_owned(), kind };
    assert_eq!(value(&field(Kind::Boolean), 1.0), serde_json::json!(true));
    assert_eq!(
        value(&field(Kind::Date(DateFormat::default())), 19_782.0),
        serde_json::json!("2024-02-29")
    );
    assert_eq!(value(&field(Kind::Numeric), f64::NAN), serde_json::Value::Null);
}

#[test]
fn what_moved_a_margin_is_told_as_it_is_now_and_was_before() {
    let (reasons, model) = prepared(|_| (), Words::new());
    let now = [127.0, 32.0, 0.0, 4.0, 1.0];
    let moves = reasons.moves(&model, &ROW, &now, Language::English);
    let texts: Vec<&str> = moves.told.iter().map(|moved| moved.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "city: Lyon (before: city: Ghent)",
            "no purchase for 127 days, four times the usual gap (before: no purchase for 96 days, three times the \
             usual gap)",
            // Of the week and the month, the one that changed.
            "no purchase in the last 7 days (before: 1 purchase in the last 7 days)",
        ]
    );
    let moved: Vec<f64> = moves.told.iter().map(|moved| moved.contribution).collect();
    for (moved, expected) in moved.iter().zip([-0.6, 0.31, 0.1]) {
        assert!((moved - expected).abs() < 1e-12, "{moved} {expected}");
    }
    assert_eq!((&moves.told[1].then, &moves.told[1].now), (&96.0.into(), &127.0.into()));
    assert_eq!(moves.hidden, 0.0);
    let chinese = reasons.moves(&model, &ROW, &now, Language::Chinese);
    assert!(chinese.told[0].text.contains("（此前："), "{}", chinese.told[0].text);
    let hide = |entry: &mut FeatureEntry| entry.hidden = entry.name.starts_with("attribute");
    let (reasons, model) = prepared(hide, Words::new());
    let moves = reasons.moves(&model, &ROW, &now, Language::English);
    assert!(moves.told.len() == 2 && (moves.hidden + 0.6).abs() < 1e-12, "{moves:?}");
    assert_eq!(reasons.moves(&model, &ROW, &ROW, Language::English), Moves::default());
}

proptest! {
    #[test]
    fn what_is_told_adds_up_to_what_moved(
        cells in prop::collection::vec(prop_oneof![Just(f64::NAN), -50.0..200.0_f64], 4),
        city in prop_oneof![Just(f64::NAN), Just(UNKNOWN_LEVEL), Just(0.0), Just(1.0)],
    ) {
        let (reasons, model) = prepared(|_| (), Words::new());
        let rows = Rows::from_cells(5, [cells, vec![city]].concat());
        let Fitted::Logistic(logistic) = &model else { unreachable!() };
        let moved = logistic.margin(rows.row(0)) - (0.75 - 0.15 - 0.3);
        let told = &reasons.of_rows(&model, &rows, 9, Language::English)[0];
        let sum: f64 = told.iter().map(|reason| reason.contribution).sum();
        prop_assert!((sum - moved).abs() < 1e-9, "{sum} {moved}");
        prop_assert!(told.windows(2).all(|w| w[0].contribution.abs() >= w[1].contribution.abs()));
    }
}
