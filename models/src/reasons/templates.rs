//! What is said of each metric, in English and in Simplified Chinese. Fills nothing in.

use crate::behaviour::Metric;
use crate::language::Language;

/// How a metric's number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    /// A number of events, days or things; with one decimal where it is not whole.
    Count,
    /// Days; below one is less than a day.
    Days,
    /// A share, in per cent.
    Share,
    /// An amount, with at most two decimals.
    Amount,
    /// Bits of at most so many hundredths, as a share of them.
    Evenness(u16),
}

/// What is said of a metric in one language. In braces stand: `n` the number (without its sign), `n_days` the number with
/// its days, `n_of` the number with its events; `of` one of the events, `ofs` several, `with` and `withs` the other ones;
/// `measure`, `part`, `window`, `wider`; `more`, `less` and `rose` by the number's sign; `usual` how long the time since
/// the last one is beside the usual gap, or nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Template {
    pub value: &'static str,
    /// The same where the metric is of a measure and need not be; as `value` where empty.
    pub measured: &'static str,
    /// Where it is 0; as `value` where empty.
    pub zero: &'static str,
    /// Where there is nothing to tell.
    pub missing: &'static str,
}

const fn of(value: &'static str, missing: &'static str) -> Template {
    Template { value, measured: "", zero: "", missing }
}

const fn zero(value: &'static str, none: &'static str) -> Template {
    Template { value, measured: "", zero: none, missing: none }
}

const fn measured(template: Template, measured: &'static str) -> Template {
    Template { measured, ..template }
}

const fn never(template: Template, zero: &'static str) -> Template {
    Template { zero, ..template }
}

/// How each metric's number is written, in the order of [`Metric`].
#[rustfmt::skip]
const NUMBERS: [Number; 46] = [
    Number::Count, Number::Count, Number::Share, Number::Amount, Number::Amount, Number::Amount, Number::Amount, Number::Amount,
    Number::Days, Number::Days, Number::Days, Number::Days,
    Number::Days, Number::Days, Number::Days, Number::Days, Number::Amount,
    Number::Share, Number::Amount, Number::Amount,
    Number::Count, Number::Count, Number::Days, Number::Share, Number::Share,
    Number::Evenness(281), Number::Evenness(458),
    Number::Count, Number::Share, Number::Count, Number::Count, Number::Count, Number::Amount, Number::Amount, Number::Amount,
    Number::Count, Number::Amount, Number::Share, Number::Count, Number::Count, Number::Count,
    Number::Count, Number::Amount, Number::Count, Number::Days, Number::Days,
];

const NONE: &str = "no {of} {window}";
const NO_VALUE: &str = "no {of} with {measure} {window}";
const NO_TWO: &str = "fewer than two days with {ofs} {window}";
const NEVER: &str = "no {of} so far";
const NO_PRODUCT: &str = "no {of} with a known product {window}";

/// In the order of [`Metric`].
#[rustfmt::skip]
const ENGLISH: [Template; 46] = [
    zero("{n_of} {window}", NONE),
    zero("{ofs} on {n_days} {window}", NONE),
    never(measured(of("{n} of all events {window} were {ofs}", "no activity {window}"), "{n} of all {measure} {window} came from {ofs}"), NONE),
    zero("{measure} of {n} from {ofs} {window}", "no {measure} from {ofs} {window}"),
    of("average {measure} of {n} from {ofs} {window}", NO_VALUE),
    of("highest {measure} of {n} from {ofs} {window}", NO_VALUE),
    of("lowest {measure} of {n} from {ofs} {window}", NO_VALUE),
    of("{measure} of {ofs} {window} varies by {n}", "fewer than two {ofs} with {measure} {window}"),
    of("no {of} for {n_days}{usual}", NEVER),
    of("first {of} {n_days} ago", NEVER),
    of("last {of} {window} was {n_days} ago{usual}", NONE),
    of("first {of} {window} was {n_days} ago", NONE),
    of("{n_days} between {ofs} on average {window}", NO_TWO),
    of("usually {n_days} between {ofs} {window}", NO_TWO),
    of("time between {ofs} varies by {n_days} {window}", "fewer than three days with {ofs} {window}"),
    of("longest time between {ofs} {window} was {n_days}", NO_TWO),
    of("time since the last {of} is {n} times the usual gap", NO_TWO),
    never(measured(of("{n} of the {ofs} {wider} came {window}", "no {of} {wider}"), "{n} of the {measure} from {ofs} {wider} came {window}"), NONE),
    measured(zero("{n} {more} {ofs} a day {window} than before", "as many {ofs} {window} as before"), "{n} {less} {measure} a day from {ofs} {window} than before"),
    measured(zero("daily {ofs} {rose} by {n} more {window} than before", "no change in {ofs} {window}"), "daily {measure} from {ofs} {rose} by {n} more {window} than before"),
    zero("longest run of days with {ofs} {window}: {n}", NONE),
    zero("last run of days with {ofs}: {n}", NEVER),
    of("longest time without {ofs} {window} was {n_days}", NONE),
    never(of("{n} of the {ofs} {window} on {part}", NONE), "no {of} on {part} {window}"),
    never(of("{n} of the {ofs} {window} {part}", NONE), "no {of} {part} {window}"),
    of("{ofs} {window} spread over the days of the week: {n} of evenly", NONE),
    of("{ofs} {window} spread over the hours of the day: {n} of evenly", NONE),
    zero("{n_of} {window} followed by {withs} within a day", "no {of} {window} followed by {withs} within a day"),
    never(of("{n} of the {ofs} {window} followed by {withs} within a day", NONE), "no {of} {window} followed by {withs} within a day"),
    zero("{ofs} at {n} different times {window}", NONE),
    of("{n_of} at a time on average {window}", NONE),
    zero("at most {n_of} at a time {window}", NONE),
    of("average {measure} of {n} from {ofs} at a time {window}", NONE),
    never(measured(of("{n} {ofs} for each {with} {window}", "no {with} {window}"), "{n} times the {measure} of {withs} from {ofs} {window}"), NONE),
    of("average {measure} from {ofs} {window} is {n} times the usual", NO_VALUE),
    zero("{n} different products of {ofs} {window}", NO_PRODUCT),
    of("{n} different products for each {of} {window}", NO_PRODUCT),
    never(of("{n} of the {ofs} {window} of a product had before", NO_PRODUCT), "only products not had before in {ofs} {window}"),
    zero("{n} different kinds of events {window}", NONE),
    zero("{ofs} through {n} different channels {window}", NONE),
    zero("{ofs} of {n} different product groups {window}", NONE),
    of("{ofs} on {n_days} a month {window}", NONE),
    of("{measure} of {n} for each day with {ofs} {window}", NONE),
    never(of("{ofs} on {n_days} after the first", NEVER), "no {of} after the first day"),
    of("{n_days} from the first to the last {of}", NEVER),
    of("first {of} {n_days} ago", NEVER),
];

const NONE_ZH: &str = "{window}没有{of}";
const NO_VALUE_ZH: &str = "{window}没有带{measure}的{of}";
const NO_TWO_ZH: &str = "{window}有{of}的日子不足两天";
const NEVER_ZH: &str = "至今没有{of}";
const NO_PRODUCT_ZH: &str = "{window}没有已知商品的{of}";

/// In the order of [`Metric`].
#[rustfmt::skip]
const CHINESE: [Template; 46] = [
    zero("{window}{of}{n}次", NONE_ZH),
    zero("{window}有{n}天{of}", NONE_ZH),
    never(measured(of("{window}{of}占全部活动的{n}", "{window}没有任何活动"), "{window}{of}占全部{measure}的{n}"), NONE_ZH),
    zero("{window}{of}的{measure}合计{n}", "{window}{of}没有{measure}"),
    of("{window}{of}的平均{measure}为{n}", NO_VALUE_ZH),
    of("{window}{of}的最高{measure}为{n}", NO_VALUE_ZH),
    of("{window}{of}的最低{measure}为{n}", NO_VALUE_ZH),
    of("{window}{of}的{measure}波动为{n}", "{window}带{measure}的{of}不足两次"),
    of("已有{n}天没有{of}{usual}", NEVER_ZH),
    of("首次{of}在{n}天前", NEVER_ZH),
    of("{window}最近一次{of}在{n}天前{usual}", NONE_ZH),
    of("{window}首次{of}在{n}天前", NONE_ZH),
    of("{window}{of}平均间隔{n}天", NO_TWO_ZH),
    of("{window}{of}通常间隔{n}天", NO_TWO_ZH),
    of("{window}{of}间隔的波动为{n}天", "{window}有{of}的日子不足三天"),
    of("{window}两次{of}之间最长间隔{n}天", NO_TWO_ZH),
    of("距上次{of}的时间是平常间隔的{n}倍", NO_TWO_ZH),
    never(measured(of("{wider}的{of}中有{n}发生在{window}", "{wider}没有{of}"), "{wider}{of}的{measure}中有{n}来自{window}"), NONE_ZH),
    measured(zero("{window}平均每天的{of}比之前{more}{n}次", "{window}的{of}与之前一样多"), "{window}平均每天{of}的{measure}比之前{more}{n}"),
    measured(zero("{window}每天{of}的增减比之前{rose}{n}", "{window}{of}的增减没有变化"), "{window}每天{of}的{measure}的增减比之前{rose}{n}"),
    zero("{window}最长连续{n}天{of}", NONE_ZH),
    zero("最近一轮连续{n}天{of}", NEVER_ZH),
    of("{window}最长有{n}天没有{of}", NONE_ZH),
    never(of("{window}{n}的{of}在{part}", NONE_ZH), "{window}{part}没有{of}"),
    never(of("{window}{n}的{of}在{part}", NONE_ZH), "{window}{part}没有{of}"),
    of("{window}{of}在一周各天的均匀程度为{n}", NONE_ZH),
    of("{window}{of}在一天各时段的均匀程度为{n}", NONE_ZH),
    zero("{window}有{n}次{of}后一天内{with}", "{window}没有{of}后一天内{with}"),
    never(of("{window}{n}的{of}后一天内{with}", NONE_ZH), "{window}没有{of}后一天内{with}"),
    zero("{window}在{n}个不同时刻{of}", NONE_ZH),
    of("{window}平均每个时刻{of}{n}次", NONE_ZH),
    zero("{window}同一时刻最多{of}{n}次", NONE_ZH),
    of("{window}每个时刻{of}的{measure}平均为{n}", NONE_ZH),
    never(measured(of("{window}每次{with}对应{of}{n}次", "{window}没有{with}"), "{window}{of}的{measure}是{with}的{n}倍"), NONE_ZH),
    of("{window}{of}的平均{measure}是平常的{n}倍", NO_VALUE_ZH),
    zero("{window}{of}涉及{n}种商品", NO_PRODUCT_ZH),
    of("{window}每次{of}涉及{n}种不同商品", NO_PRODUCT_ZH),
    never(of("{window}{n}的{of}是以前有过的商品", NO_PRODUCT_ZH), "{window}{of}的都是以前没有过的商品"),
    zero("{window}有{n}种不同的活动", NONE_ZH),
    zero("{window}通过{n}个不同渠道{of}", NONE_ZH),
    zero("{window}{of}涉及{n}个商品类别", NONE_ZH),
    of("{window}平均每月有{n}天{of}", NONE_ZH),
    of("{window}有{of}的日子平均{measure}为{n}", NONE_ZH),
    never(of("首次之后又有{n}天{of}", NEVER_ZH), "首日之后没有{of}"),
    of("首次与最近一次{of}相隔{n}天", NEVER_ZH),
    of("首次{of}在{n}天前", NEVER_ZH),
];

/// What is said of a metric, and how its number is written.
pub(super) fn template(metric: Metric, language: Language) -> (Template, Number) {
    let templates = match language {
        Language::English => &ENGLISH,
        Language::Chinese => &CHINESE,
    };
    (templates[metric as usize], NUMBERS[metric as usize])
}

/// The parts of the week and of the day, in the order of [`Part`](crate::behaviour::Part).
pub(super) const PARTS: [[&str; 2]; 11] = [
    ["Mondays", "周一"],
    ["Tuesdays", "周二"],
    ["Wednesdays", "周三"],
    ["Thursdays", "周四"],
    ["Fridays", "周五"],
    ["Saturdays", "周六"],
    ["Sundays", "周日"],
    ["at night", "夜间"],
    ["in the morning", "上午"],
    ["in the afternoon", "下午"],
    ["in the evening", "晚间"],
];

/// Words that many logs use, in Chinese; the user's own words come first.
pub(super) const WORDS: [[&str; 2]; 45] = [
    ["add_to_cart", "加入购物车"],
    ["age", "年龄"],
    ["amount", "金额"],
    ["app", "应用"],
    ["app_open", "打开应用"],
    ["call", "来电"],
    ["campaign", "营销活动"],
    ["cancel", "取消"],
    ["cart", "加入购物车"],
    ["city", "城市"],
    ["click", "点击"],
    ["complaint", "投诉"],
    ["discount", "折扣"],
    ["download", "下载"],
    ["email", "邮件"],
    ["email_click", "邮件点击"],
    ["email_open", "邮件打开"],
    ["gender", "性别"],
    ["login", "登录"],
    ["newsletter", "订阅邮件"],
    ["open", "打开"],
    ["order", "下单"],
    ["page_view", "页面浏览"],
    ["payment", "付款"],
    ["points", "积分"],
    ["price", "价格"],
    ["product_view", "商品浏览"],
    ["purchase", "购买"],
    ["push_open", "打开推送"],
    ["quantity", "数量"],
    ["referral", "推荐好友"],
    ["return", "退货"],
    ["review", "评价"],
    ["search", "搜索"],
    ["session", "访问"],
    ["sign_up", "注册"],
    ["social", "社交媒体"],
    ["store", "门店"],
    ["subscribe", "订阅"],
    ["support_ticket", "客服工单"],
    ["unsubscribe", "退订"],
    ["view", "浏览"],
    ["visit", "到访"],
    ["web", "网站"],
    ["wishlist", "收藏"],
];
